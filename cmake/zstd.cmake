kite_pkg_config(zstd libzstd)
