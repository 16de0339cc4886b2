kite_pkg_config(xxhash libxxhash)
