kite_pkg_config(zlib zlib)
