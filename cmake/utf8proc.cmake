kite_pkg_config(utf8proc libutf8proc)
