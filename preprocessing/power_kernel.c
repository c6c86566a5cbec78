/* Power spectra of frames of 2048 real samples, in single precision.
 *
 * Of a frame x under a window w, z[n] = x[2n] w[2n] + i x[2n + 1] w[2n + 1] has half the length. With
 * Z its transform of 1024 points, and indices of Z modulo 1024,
 *
 *   even[k] = (Z[k] + conj Z[-k]) / 2,   odd[k] = (Z[k] - conj Z[-k]) / 2i,
 *   X[k]    = even[k] + exp(-2πik / 2048) odd[k].
 *
 * 1024 = 32 · 32. With n = 32 a + b and k = c + 32 d, exp(-2πi nk / 1024) is the product of
 * exp(-2πi ac / 32), exp(-2πi bc / 1024) and exp(-2πi bd / 32): transforms of 32 points down the
 * columns of a square, factors, a transposition, transforms down the columns again. The columns
 * lie side by side, so a compiler makes vectors of them.
 */
#include "power_kernel.h"

#include <math.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__gnu_linux__)
/* The same function for several instruction sets; the loader takes the best there is. */
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif
#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

enum { SIDE = 32, HALF = SIDE * SIDE };
struct square {
    float re[SIDE][SIDE], im[SIDE][SIDE];
};

void power_tables(struct power_tables *tables)
{
    const double pi = 3.14159265358979323846;
    for (int n = 0; n < 2 * HALF; ++n)
        tables->window[n] = (float)(0.5 - 0.5 * cos(2 * pi * n / (2 * HALF - 1)));
    for (int k = 0; k < HALF; ++k) {
        tables->odd_re[k] = (float)cos(pi * k / HALF);
        tables->odd_im[k] = (float)-sin(pi * k / HALF);
    }
    for (int c = 0; c < SIDE; ++c)
        for (int b = 0; b < SIDE; ++b) {
            tables->factor_re[c][b] = (float)cos(2 * pi * b * c / HALF);
            tables->factor_im[c][b] = (float)-sin(2 * pi * b * c / HALF);
        }
}

/* exp(-2πi n / 32). */
static const float ROOT_RE[22] = {
    1.0f, 0.98078528040f, 0.92387953251f, 0.83146961230f, 0.70710678119f, 0.55557023302f,
    0.38268343236f, 0.19509032202f, 0.0f, -0.19509032202f, -0.38268343236f, -0.55557023302f,
    -0.70710678119f, -0.83146961230f, -0.92387953251f, -0.98078528040f, -1.0f, -0.98078528040f,
    -0.92387953251f, -0.83146961230f, -0.70710678119f, -0.55557023302f};
static const float ROOT_IM[22] = {
    0.0f, -0.19509032202f, -0.38268343236f, -0.55557023302f, -0.70710678119f, -0.83146961230f,
    -0.92387953251f, -0.98078528040f, -1.0f, -0.98078528040f, -0.92387953251f, -0.83146961230f,
    -0.70710678119f, -0.55557023302f, -0.38268343236f, -0.19509032202f, 0.0f, 0.19509032202f,
    0.38268343236f, 0.55557023302f, 0.70710678119f, 0.83146961230f};

/* Row c + 4 d of `to` is the transform of the rows 8 a + b of `from`, column by column. */
INLINE void transform_columns(const struct square *from, struct square *to)
{
    struct square y;
    for (int b = 0; b < 8; ++b)
        for (int q = 0; q < SIDE; ++q) {
            const float ar = from->re[b][q], ai = from->im[b][q];
            const float br = from->re[b + 8][q], bi = from->im[b + 8][q];
            const float cr = from->re[b + 16][q], ci = from->im[b + 16][q];
            const float dr = from->re[b + 24][q], di = from->im[b + 24][q];
            const float sr = ar + cr, si = ai + ci, tr = ar - cr, ti = ai - ci;
            const float ur = br + dr, ui = bi + di, vr = br - dr, vi = bi - di;
            const float r1 = tr + vi, i1 = ti - vr, r2 = sr - ur, i2 = si - ui;
            const float r3 = tr - vi, i3 = ti + vr;
            y.re[b][q] = sr + ur;
            y.im[b][q] = si + ui;
            y.re[8 + b][q] = r1 * ROOT_RE[b] - i1 * ROOT_IM[b];
            y.im[8 + b][q] = r1 * ROOT_IM[b] + i1 * ROOT_RE[b];
            y.re[16 + b][q] = r2 * ROOT_RE[2 * b] - i2 * ROOT_IM[2 * b];
            y.im[16 + b][q] = r2 * ROOT_IM[2 * b] + i2 * ROOT_RE[2 * b];
            y.re[24 + b][q] = r3 * ROOT_RE[3 * b] - i3 * ROOT_IM[3 * b];
            y.im[24 + b][q] = r3 * ROOT_IM[3 * b] + i3 * ROOT_RE[3 * b];
        }
    const float h = 0.70710678119f;
    for (int c = 0; c < 4; ++c)
        for (int q = 0; q < SIDE; ++q) {
            const float(*re)[SIDE] = y.re + 8 * c, (*im)[SIDE] = y.im + 8 * c;
            /* Even ones: a transform of four. */
            const float sr = re[0][q] + re[4][q], si = im[0][q] + im[4][q];
            const float tr = re[0][q] - re[4][q], ti = im[0][q] - im[4][q];
            const float ur = re[2][q] + re[6][q], ui = im[2][q] + im[6][q];
            const float vr = re[2][q] - re[6][q], vi = im[2][q] - im[6][q];
            const float e0r = sr + ur, e0i = si + ui, e2r = sr - ur, e2i = si - ui;
            const float e1r = tr + vi, e1i = ti - vr, e3r = tr - vi, e3i = ti + vr;
            /* Odd ones, and their factors exp(-2πi j / 8). */
            const float wr = re[1][q] + re[5][q], wi = im[1][q] + im[5][q];
            const float xr = re[1][q] - re[5][q], xi = im[1][q] - im[5][q];
            const float yr = re[3][q] + re[7][q], yi = im[3][q] + im[7][q];
            const float zr = re[3][q] - re[7][q], zi = im[3][q] - im[7][q];
            const float o0r = wr + yr, o0i = wi + yi, o2r = wi - yi, o2i = yr - wr;
            const float p1r = xr + zi, p1i = xi - zr, p3r = xr - zi, p3i = xi + zr;
            const float o1r = h * (p1r + p1i), o1i = h * (p1i - p1r);
            const float o3r = h * (p3i - p3r), o3i = -h * (p3r + p3i);
            to->re[c][q] = e0r + o0r, to->im[c][q] = e0i + o0i;
            to->re[c + 4][q] = e1r + o1r, to->im[c + 4][q] = e1i + o1i;
            to->re[c + 8][q] = e2r + o2r, to->im[c + 8][q] = e2i + o2i;
            to->re[c + 12][q] = e3r + o3r, to->im[c + 12][q] = e3i + o3i;
            to->re[c + 16][q] = e0r - o0r, to->im[c + 16][q] = e0i - o0i;
            to->re[c + 20][q] = e1r - o1r, to->im[c + 20][q] = e1i - o1i;
            to->re[c + 24][q] = e2r - o2r, to->im[c + 24][q] = e2i - o2i;
            to->re[c + 28][q] = e3r - o3r, to->im[c + 28][q] = e3i - o3i;
        }
}

#if defined(__GNUC__)
typedef float four __attribute__((vector_size(16)));
typedef int places __attribute__((vector_size(16)));
#if defined(__clang__)
#define SHUFFLE(x, y, a, b, c, d) __builtin_shufflevector(x, y, a, b, c, d)
#else
#define SHUFFLE(x, y, a, b, c, d) __builtin_shuffle(x, y, (places){a, b, c, d})
#endif
#endif

/* to[j][i] = from[i][j], four by four. */
INLINE void transpose(float from[SIDE][SIDE], float to[SIDE][SIDE])
{
#if defined(__GNUC__)
    for (int i = 0; i < SIDE; i += 4)
        for (int j = 0; j < SIDE; j += 4) {
            four a, b, c, d;
            memcpy(&a, &from[i][j], sizeof a);
            memcpy(&b, &from[i + 1][j], sizeof b);
            memcpy(&c, &from[i + 2][j], sizeof c);
            memcpy(&d, &from[i + 3][j], sizeof d);
            const four ab = SHUFFLE(a, b, 0, 4, 1, 5), cd = SHUFFLE(c, d, 0, 4, 1, 5);
            const four ba = SHUFFLE(a, b, 2, 6, 3, 7), dc = SHUFFLE(c, d, 2, 6, 3, 7);
            a = SHUFFLE(ab, cd, 0, 1, 4, 5), b = SHUFFLE(ab, cd, 2, 3, 6, 7);
            c = SHUFFLE(ba, dc, 0, 1, 4, 5), d = SHUFFLE(ba, dc, 2, 3, 6, 7);
            memcpy(&to[j][i], &a, sizeof a);
            memcpy(&to[j + 1][i], &b, sizeof b);
            memcpy(&to[j + 2][i], &c, sizeof c);
            memcpy(&to[j + 3][i], &d, sizeof d);
        }
#else
    for (int i = 0; i < SIDE; ++i)
        for (int j = 0; j < SIDE; ++j) to[j][i] = from[i][j];
#endif
}

CLONES void power_spectra(const struct power_tables *tables, const float *samples,
                          ptrdiff_t n_frames, ptrdiff_t hop, ptrdiff_t n_bins, float *power)
{
    struct square x, z;
    float re[HALF + 1], im[HALF + 1];
    for (ptrdiff_t frame = 0; frame < n_frames; ++frame, samples += hop, power += n_bins) {
        float *to_re = &x.re[0][0], *to_im = &x.im[0][0];
        for (int n = 0; n < HALF; ++n) {
            to_re[n] = samples[2 * n] * tables->window[2 * n];
            to_im[n] = samples[2 * n + 1] * tables->window[2 * n + 1];
        }
        transform_columns(&x, &z);
        for (int c = 0; c < SIDE; ++c)
            for (int b = 0; b < SIDE; ++b) {
                const float r = z.re[c][b], i = z.im[c][b];
                const float fr = tables->factor_re[c][b], fi = tables->factor_im[c][b];
                z.re[c][b] = r * fr - i * fi;
                z.im[c][b] = r * fi + i * fr;
            }
        transpose(z.re, x.re);
        transpose(z.im, x.im);
        transform_columns(&x, &z);
        const float *zr = &z.re[0][0], *zi = &z.im[0][0];
        /* Backwards, Z[-k] at k. */
        re[0] = zr[0], im[0] = zi[0];
        for (int k = 1; k < HALF; ++k) re[k] = zr[HALF - k], im[k] = zi[HALF - k];
        for (int k = 0; k < n_bins; ++k) {
            const float er = zr[k] + re[k], ei = zi[k] - im[k];
            const float or = zi[k] + im[k], oi = re[k] - zr[k];
            const float c = tables->odd_re[k], s = tables->odd_im[k];
            const float xr = er + c * or - s * oi, xi = ei + c * oi + s * or;
            power[k] = 0.25f * (xr * xr + xi * xi);
        }
    }
}
