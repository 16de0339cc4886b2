kite_pkg_config(pugixml pugixml)
