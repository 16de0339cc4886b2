kite_pkg_config(openssl libssl libcrypto)
