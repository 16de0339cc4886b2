kite_pkg_config(benchmark benchmark)
