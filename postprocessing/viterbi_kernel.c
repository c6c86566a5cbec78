/* The best path through bars of beats, exactly as a Viterbi over every state and frame finds it.
 *
 * Within a beat the only way on is to the next position, so a maximum is taken at its first
 * position alone. With d the log densities and τ the interval,
 *
 *   first(t, b, τ)        = max over τ' of last(t - 1, b - 1, τ') + weight(τ' → τ), + d(t)
 *   last(t + τ - 1, b, τ) = first(t, b, τ) + d(t + 1) + … + d(t + τ - 1)
 *
 * added one after the other, as the dense form does: another order rounds otherwise and parts
 * paths that are equal. (Adding d(t) to the maximum instead of to each candidate gives the same
 * number, since rounding keeps the order; which candidate wins is asked on the best path only,
 * and there d(t) is added first, as it can make two equal.)
 *
 * With d = 0 outside the track and first(t < 0) = the initial probability, beats that are cut by
 * its ends need no case of their own: a beat's score at its last position is then the score of
 * the state it is in at the last frame.
 *
 * Most of the work is the sum within the beat. By differences of running sums it is nearly free,
 * though rounded otherwise: where every choice on the best path was won by more than rounding can
 * change, that path is the exact one. Else all is done again, one after the other.
 *
 * Only the scores of last positions are kept. Several frames t are computed at once, a lane of a
 * vector for each: they depend on frames at least the shortest interval before them.
 */
#include "viterbi_kernel.h"

#include <math.h>
#include <string.h>

#if defined(__GNUC__)
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#else
#define ALWAYS_INLINE static inline
#endif

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 8")
#else
#define UNROLL
#endif

/* Beats of the bar that share a loop: more would not fit into the registers. */
enum { MAX_ROWS = 4 };

/* One instruction set's functions, and the frames that they do at once. */
typedef void block_function(const struct beat_space *, const struct beat_densities *,
                            struct beat_scores, ptrdiff_t start);
struct scorer {
    ptrdiff_t lanes;
    block_function *exact_block;
    block_function *summed_block;
};

/* Plain C, for every processor: 8 frames that a compiler may put into vectors of its own. */
#define NAME(stem) stem##_plain
#define TARGET
#define VECTOR double
#define WIDTH 1
#define N_VECTORS 8
#define LOAD(from) (*(from))
#define STORE(to, x) (*(to) = (x))
#define SPREAD(x) (x)
#define ADD(x, y) ((x) + (y))
#define SUBTRACT(x, y) ((x) - (y))
#define GREATER(x, y) ((x) > (y) ? (x) : (y))
#include "viterbi_score.inc"

#if defined(__GNUC__) && defined(__x86_64__)
#define HAS_X86 1
#include <immintrin.h>

#define NAME(stem) stem##_sse2
#define TARGET
#define VECTOR __m128d
#define WIDTH 2
#define N_VECTORS 2
#define LOAD(from) _mm_loadu_pd(from)
#define STORE(to, x) _mm_storeu_pd(to, x)
#define SPREAD(x) _mm_set1_pd(x)
#define ADD(x, y) _mm_add_pd(x, y)
#define SUBTRACT(x, y) _mm_sub_pd(x, y)
#define GREATER(x, y) _mm_max_pd(x, y)
#include "viterbi_score.inc"

#define NAME(stem) stem##_avx2
#define TARGET __attribute__((target("avx2")))
#define VECTOR __m256d
#define WIDTH 4
#define N_VECTORS 2
#define LOAD(from) _mm256_loadu_pd(from)
#define STORE(to, x) _mm256_storeu_pd(to, x)
#define SPREAD(x) _mm256_set1_pd(x)
#define ADD(x, y) _mm256_add_pd(x, y)
#define SUBTRACT(x, y) _mm256_sub_pd(x, y)
#define GREATER(x, y) _mm256_max_pd(x, y)
#include "viterbi_score.inc"

#define NAME(stem) stem##_avx512
#define TARGET __attribute__((target("avx512f")))
#define VECTOR __m512d
#define WIDTH 8
#define N_VECTORS 3
#define LOAD(from) _mm512_loadu_pd(from)
#define STORE(to, x) _mm512_storeu_pd(to, x)
#define SPREAD(x) _mm512_set1_pd(x)
#define ADD(x, y) _mm512_add_pd(x, y)
#define SUBTRACT(x, y) _mm512_sub_pd(x, y)
#define GREATER(x, y) _mm512_max_pd(x, y)
#include "viterbi_score.inc"
#endif

/* Doubles of a cache line, and frames of the widest block. */
enum { LINE = 8, MAX_LANES = 24 };

static ptrdiff_t longest_interval(const struct beat_space *space)
{
    return space->intervals[space->n_intervals - 1];
}

ptrdiff_t viterbi_front(const struct beat_space *space)
{
    /* Blocks begin up to the longest interval and a block before frame 0. Frame -1, where ways
     * into a block at frame 0 are looked up, begins a cache line. */
    const ptrdiff_t room = longest_interval(space) + MAX_LANES;
    return (room / LINE + 1) * LINE + 1;
}

ptrdiff_t viterbi_stride(const struct beat_space *space, ptrdiff_t n_frames)
{
    const ptrdiff_t room = viterbi_front(space) + n_frames + longest_interval(space) + MAX_LANES;
    /* An odd number of cache lines: rows that are used together then lie in different sets. */
    return (room / LINE / 2 * 2 + 3) * LINE;
}

const char *const *viterbi_instruction_sets(void)
{
#ifdef HAS_X86
    static const char *const all[] = {"avx512", "avx2", "sse2", "plain", NULL};
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) return all;
    if (__builtin_cpu_supports("avx2")) return all + 1;
    return all + 2;
#else
    static const char *const all[] = {"plain", NULL};
    return all;
#endif
}

static const struct scorer *scorer_of(const char *instruction_set)
{
    const char *const *known = viterbi_instruction_sets();
    while (*known != NULL && strcmp(*known, instruction_set) != 0) ++known;
    if (*known == NULL) return NULL;
#ifdef HAS_X86
    if (strcmp(*known, "avx512") == 0) return &scorer_avx512;
    if (strcmp(*known, "avx2") == 0) return &scorer_avx2;
    if (strcmp(*known, "sse2") == 0) return &scorer_sse2;
#endif
    return &scorer_plain;
}

/* Fill the scores. */
static void score(const struct scorer *scorer, block_function *block,
                  const struct beat_space *space, const struct beat_densities *densities,
                  struct beat_scores scores)
{
    const ptrdiff_t lanes = scorer->lanes, shortest = space->intervals[0];
    const ptrdiff_t before = (longest_interval(space) + lanes - 1) / lanes * lanes;
    const ptrdiff_t step = shortest < lanes ? shortest : lanes;

    for (ptrdiff_t start = -before; start < 0; start += lanes)
        block(space, densities, scores, start);
    /* A beat that begins in [start, start + step) follows one that began before `start`, so its
     * ways in are known. What lanes beyond `step` hold is not, and a later block overwrites it
     * before a lane that counts reads it. */
    for (ptrdiff_t start = 0; start < densities->n_frames; start += step)
        block(space, densities, scores, start);
}

/* The best of some scores, the first of equals, and the best of the others. */
struct contest {
    double best;
    double second;
};

static const struct contest NO_CONTEST = {-INFINITY, -INFINITY};

/* Whether this score is better than all before. */
ALWAYS_INLINE int wins(struct contest *contest, double score)
{
    if (score > contest->best) {
        contest->second = contest->best;
        contest->best = score;
        return 1;
    }
    if (score > contest->second) contest->second = score;
    return 0;
}

ALWAYS_INLINE const double *head_of(const struct beat_densities *densities, int32_t beat)
{
    return beat == 0 ? densities->downbeat : densities->beat;
}

ALWAYS_INLINE int32_t beat_before(const struct beat_space *space, int32_t beat)
{
    return beat == 0 ? space->n_beats - 1 : beat - 1;
}

ALWAYS_INLINE const double *row_of(const struct beat_space *space, struct beat_scores scores,
                                   int32_t beat, int32_t interval)
{
    return scores.origin + ((ptrdiff_t)beat * space->n_intervals + interval) * scores.stride;
}

/* The best path by the scores: its number of beats. `margin` is how far every choice on it lies
 * above the one not taken, at least. */
static ptrdiff_t trace(const struct beat_space *space, const struct beat_densities *densities,
                       struct beat_scores scores, struct beat_path *path, double *margin)
{
    /* The state of the last frame, in the order of the states: beat, interval, position. */
    struct contest contest = NO_CONTEST;
    int32_t beat = 0, interval = 0;
    ptrdiff_t start = 0;
    for (int32_t b = 0; b < space->n_beats; ++b) {
        for (int32_t k = 0; k < space->n_intervals; ++k) {
            const int32_t n_positions = space->intervals[k];
            const double *last = row_of(space, scores, b, k) + densities->n_frames + n_positions - 2;
            for (int32_t position = 0; position < n_positions; ++position) {
                if (wins(&contest, last[-position])) {
                    beat = b;
                    interval = k;
                    start = densities->n_frames - 1 - position;
                }
            }
        }
    }
    path->log_probability = contest.best;
    *margin = contest.best - contest.second;
    if (contest.best == -INFINITY) return 0;

    for (ptrdiff_t n = 0;;) {
        path->starts[n] = (int32_t)start;
        path->beats[n] = beat;
        path->intervals[n] = interval;
        ++n;
        if (start <= 0) return n;

        const int32_t *sources = space->sources + 2 * interval;
        const double *weight = space->weights + space->offsets[interval];
        const double density = head_of(densities, beat)[start];
        beat = beat_before(space, beat);
        contest = NO_CONTEST;
        for (int32_t from = sources[0]; from < sources[1]; ++from) {
            const double before = row_of(space, scores, beat, from)[start - 1];
            if (wins(&contest, before + *weight++ + density)) interval = from;
        }
        if (contest.best - contest.second < *margin) *margin = contest.best - contest.second;
        start -= space->intervals[interval];
    }
}

/* The log probability of a path of n beats, added in the order of the frames. */
static double log_probability_of(const struct beat_space *space,
                                 const struct beat_densities *densities,
                                 const struct beat_path *path, ptrdiff_t n)
{
    double sum = space->log_initial;
    for (ptrdiff_t i = n - 1; i >= 0; --i) {
        const int32_t interval = path->intervals[i], beat = path->beats[i];
        const int32_t n_heads = space->heads[beat * space->n_intervals + interval];
        const ptrdiff_t start = path->starts[i];
        const ptrdiff_t end = i > 0 ? path->starts[i - 1] : densities->n_frames;

        if (start >= 0) {
            const int32_t *sources = space->sources + 2 * interval;
            const double *weight = space->weights + space->offsets[interval];
            if (i < n - 1) {
                sum += weight[path->intervals[i + 1] - sources[0]];
            } else {
                /* The track begins with this beat: any interval may have been before it. */
                double best = -INFINITY;
                for (int32_t j = 0; j < sources[1] - sources[0]; ++j)
                    if (sum + weight[j] > best) best = sum + weight[j];
                sum = best;
            }
        }
        for (ptrdiff_t t = start < 0 ? 0 : start; t < end; ++t)
            sum += (t - start < n_heads ? head_of(densities, beat) : densities->none)[t];
    }
    return sum;
}

/* How far two scores by sums must lie apart for the exact ones to be in the same order.
 *
 * Let T be the frames, B <= T / 2 + 2 the beats of a path, u = 2^-53 the rounding error and M more
 * than the magnitude of any sum: the initial log probability, a weight for every beat, and of
 * each frame the largest density. In the order of the frames a score is rounded T + 2B times, by
 * u M at most. By sums it is rounded five times a beat, and the running sums are those of
 * densities each changed by u M at most: what two beats share of their errors cancels. Together
 * 2T + 7B < 6 (T + 100) roundings, and a choice is between two scores.
 */
static double safe_margin(const struct beat_space *space, const struct beat_densities *densities)
{
    const double n_frames = (double)densities->n_frames;
    double magnitude = fabs(space->log_initial), weight = 0;
    for (int32_t k = 0; k < space->n_intervals; ++k) {
        const int32_t *sources = space->sources + 2 * k;
        for (int32_t j = 0; j < sources[1] - sources[0]; ++j)
            weight = fmax(weight, fabs(space->weights[space->offsets[k] + j]));
    }
    magnitude += weight * (n_frames / space->intervals[0] + 2);
    for (ptrdiff_t t = 0; t < densities->n_frames; ++t)
        magnitude += fmax(fabs(densities->none[t]),
                          fmax(fabs(densities->beat[t]), fabs(densities->downbeat[t])));
    return 12 * (n_frames + 100) * 0x1p-53 * magnitude;
}

ptrdiff_t viterbi_best_path(const char *instruction_set, const struct beat_space *space,
                            const struct beat_densities *densities, struct beat_scores scores,
                            struct beat_path *path)
{
    const struct scorer *scorer = scorer_of(instruction_set);
    double margin;
    if (scorer == NULL) return -1;

    path->by_sums = densities->none_sums != NULL && space->intervals[0] > 1;
    if (path->by_sums) {
        score(scorer, scorer->summed_block, space, densities, scores);
        const ptrdiff_t n = trace(space, densities, scores, path, &margin);
        if (margin > safe_margin(space, densities)) {
            path->log_probability = log_probability_of(space, densities, path, n);
            return n;
        }
        path->by_sums = 0;
    }
    score(scorer, scorer->exact_block, space, densities, scores);
    return trace(space, densities, scores, path, &margin);
}
