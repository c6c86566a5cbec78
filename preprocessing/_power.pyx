# cython: language_level=3, boundscheck=False, wraparound=False
"""The kernel's door: samples in, power spectra out. spectrogram.py says what they are."""

cdef extern from "power_kernel.h" nogil:
    struct power_tables:
        pass
    void fill_power_tables "power_tables"(power_tables *)
    void kernel "power_spectra"(
        const power_tables *, const float *, Py_ssize_t, Py_ssize_t, Py_ssize_t, float *
    )


cdef power_tables TABLES
fill_power_tables(&TABLES)

FRAME_SAMPLES = 2048
cdef Py_ssize_t FRAME = 2048


def power_spectra(const float[::1] samples, Py_ssize_t hop_samples, float[:, ::1] out):
    """|X|² of frames that begin `hop_samples` apart, for as many frames and bins as `out` has."""
    cdef Py_ssize_t n_frames = out.shape[0], n_bins = out.shape[1]
    if n_frames == 0 or n_bins == 0:
        return
    if hop_samples < 1 or n_bins > FRAME // 2:
        raise ValueError(f"hop {hop_samples} or {n_bins} bins do not fit frames of {FRAME}")
    if samples.shape[0] < FRAME or (samples.shape[0] - FRAME) // hop_samples < n_frames - 1:
        raise ValueError(f"{samples.shape[0]} samples are too few for {n_frames} frames")
    with nogil:
        kernel(&TABLES, &samples[0], n_frames, hop_samples, n_bins, &out[0, 0])
