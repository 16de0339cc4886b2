# Debian's libstemmer has no pkg-config file.
find_library(KITE_STEMMER stemmer)
if(KITE_STEMMER)
  add_library(kite_dep_stemmer INTERFACE)
  target_link_libraries(kite_dep_stemmer INTERFACE "${KITE_STEMMER}")
  add_library(kite::stemmer ALIAS kite_dep_stemmer)
else()
  kite_missing(stemmer)
endif()
