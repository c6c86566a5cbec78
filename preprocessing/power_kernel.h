/* Power spectra of frames of 2048 real samples; see power_kernel.c. */
#include <stddef.h>

struct power_tables {
    float window[2048], odd_re[1024], odd_im[1024], factor_re[32][32], factor_im[32][32];
};

/* Fill in what does not depend on samples; the window is a symmetric Hann window. */
void power_tables(struct power_tables *tables);

/* |X[k]|² of n_frames frames that begin `hop` samples apart, for k < n_bins <= 1024:
 * power (n_frames, n_bins). */
void power_spectra(const struct power_tables *tables, const float *samples, ptrdiff_t n_frames,
                   ptrdiff_t hop, ptrdiff_t n_bins, float *power);
