/* The best path through bars of beats: see viterbi_kernel.c. */
#ifndef STEMLINE_VITERBI_KERNEL_H
#define STEMLINE_VITERBI_KERNEL_H

#include <stddef.h>
#include <stdint.h>

/* The states of bars of one length; beat_states.py says what each array is. */
struct beat_space {
    int32_t n_beats;
    int32_t n_intervals;
    const int32_t *intervals;
    const int32_t *heads;
    const int32_t *sources;
    const int32_t *offsets;
    const double *weights;
    double log_initial;
};

/* Log densities by frame: each pointer is at frame 0 of a row, which holds zeros where it holds no
 * frame. A row is viterbi_stride long and begins viterbi_front before frame 0. */
struct beat_densities {
    const double *none;
    const double *beat;
    const double *downbeat;
    /* Running sums, each at frame t that of the frames before t; NULL where some are infinite. */
    const double *none_sums;
    const double *beat_sums;
    const double *downbeat_sums;
    ptrdiff_t n_frames;
};

/* The scores of a beat's last position: such a row for each beat and interval, uninitialised at
 * first, `stride` doubles apart. `origin` is frame 0 of the first. */
struct beat_scores {
    double *origin;
    ptrdiff_t stride;
};

/* The best path: for each beat, the last one first, the frame of its first position (before 0
 * where the track begins within a beat), its number in the bar and the index of its interval. */
struct beat_path {
    int32_t *starts;
    int32_t *beats;
    int32_t *intervals;
    double log_probability;
    int by_sums; /* whether running sums were enough */
};

/* Doubles of a row before frame 0, and in all. */
ptrdiff_t viterbi_front(const struct beat_space *space);
ptrdiff_t viterbi_stride(const struct beat_space *space, ptrdiff_t n_frames);

/* Names of the instruction sets that this processor can run, the widest first, ending in NULL. */
const char *const *viterbi_instruction_sets(void);

/* The best path: its number of beats, 0 where no path is possible, -1 when the instruction set is
 * none of those. The arrays of `path` must hold n_frames / shortest interval + 2. */
ptrdiff_t viterbi_best_path(const char *instruction_set, const struct beat_space *space,
                            const struct beat_densities *densities, struct beat_scores scores,
                            struct beat_path *path);

#endif
