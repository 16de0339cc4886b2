kite_pkg_config(curl libcurl)
