"""MDX23C: TFC-TDF v3 networks on complex spectrograms, of UVR and MSST."""
