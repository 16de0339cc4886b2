kite_pkg_config(rocksdb rocksdb)
