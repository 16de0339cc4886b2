kite_pkg_config(icu icu-uc icu-i18n)
