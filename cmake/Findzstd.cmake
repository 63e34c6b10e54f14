# Finds zstd 1.4 or later, which eddy::http uses for compression, as the target zstd::zstd. Installed with eddy, because a
# program that links a static eddy::http requires it, too.
if(EDDY_ZSTD_INCLUDE_DIR AND NOT EXISTS ${EDDY_ZSTD_INCLUDE_DIR}/zstd.h) # removed since the last run
  unset(EDDY_ZSTD_INCLUDE_DIR CACHE)
  unset(EDDY_ZSTD_LIBRARY CACHE)
endif()
find_path(EDDY_ZSTD_INCLUDE_DIR zstd.h)
find_library(EDDY_ZSTD_LIBRARY zstd)
mark_as_advanced(EDDY_ZSTD_INCLUDE_DIR EDDY_ZSTD_LIBRARY)

if(EDDY_ZSTD_INCLUDE_DIR)
  file(STRINGS ${EDDY_ZSTD_INCLUDE_DIR}/zstd.h zstd_VERSION REGEX "define ZSTD_VERSION_(MAJOR|MINOR|RELEASE) ")
  string(REGEX REPLACE "[^0-9]+([0-9]+);[^0-9]+([0-9]+);[^0-9]+([0-9]+)" "\\1.\\2.\\3" zstd_VERSION "${zstd_VERSION}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(zstd
  REQUIRED_VARS EDDY_ZSTD_LIBRARY EDDY_ZSTD_INCLUDE_DIR
  VERSION_VAR zstd_VERSION
  REASON_FAILURE_MESSAGE "zstd 1.4 or later is not installed (Debian: libzstd-dev)")

if(zstd_FOUND AND NOT TARGET zstd::zstd)
  add_library(zstd::zstd UNKNOWN IMPORTED)
  set_target_properties(zstd::zstd PROPERTIES
    IMPORTED_LOCATION ${EDDY_ZSTD_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${EDDY_ZSTD_INCLUDE_DIR})
endif()
