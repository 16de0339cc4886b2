kite_pkg_config(argon2 libargon2)
