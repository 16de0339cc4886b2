kite_pkg_config(re2 re2)
