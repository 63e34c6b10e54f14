# Finds brotli, which eddy::http uses for compression, as the target brotli::brotli. Installed with eddy, because a program
# that links a static eddy::http requires it, too.
if(EDDY_BROTLI_INCLUDE_DIR AND NOT EXISTS ${EDDY_BROTLI_INCLUDE_DIR}/brotli/encode.h) # removed since the last run
  unset(EDDY_BROTLI_INCLUDE_DIR CACHE)
  unset(EDDY_BROTLI_ENC_LIBRARY CACHE)
  unset(EDDY_BROTLI_DEC_LIBRARY CACHE)
  unset(EDDY_BROTLI_COMMON_LIBRARY CACHE)
endif()
find_path(EDDY_BROTLI_INCLUDE_DIR brotli/encode.h)
find_library(EDDY_BROTLI_ENC_LIBRARY brotlienc)
find_library(EDDY_BROTLI_DEC_LIBRARY brotlidec)
find_library(EDDY_BROTLI_COMMON_LIBRARY brotlicommon)
mark_as_advanced(EDDY_BROTLI_INCLUDE_DIR EDDY_BROTLI_ENC_LIBRARY EDDY_BROTLI_DEC_LIBRARY EDDY_BROTLI_COMMON_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(brotli
  REQUIRED_VARS EDDY_BROTLI_ENC_LIBRARY EDDY_BROTLI_DEC_LIBRARY EDDY_BROTLI_COMMON_LIBRARY EDDY_BROTLI_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "brotli is not installed (Debian: libbrotli-dev)")

if(brotli_FOUND AND NOT TARGET brotli::brotli)
  add_library(brotli::brotli INTERFACE IMPORTED)
  set_target_properties(brotli::brotli PROPERTIES
    INTERFACE_LINK_LIBRARIES "${EDDY_BROTLI_ENC_LIBRARY};${EDDY_BROTLI_DEC_LIBRARY};${EDDY_BROTLI_COMMON_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES ${EDDY_BROTLI_INCLUDE_DIR})
endif()
