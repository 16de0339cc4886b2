kite_pkg_config(httplib cpp-httplib)
