kite_pkg_config(lz4 liblz4)
