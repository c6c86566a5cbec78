"""The generated messages and stubs of `stemline.v1`."""
