# Finds nghttp2 1.50 or later, which HTTP/2 in eddy::http requires, as the target nghttp2::nghttp2. Installed with eddy,
# because a program that links a static eddy::http requires it, too.
if(EDDY_NGHTTP2_INCLUDE_DIR AND NOT EXISTS ${EDDY_NGHTTP2_INCLUDE_DIR}/nghttp2/nghttp2.h) # removed since the last run
  unset(EDDY_NGHTTP2_INCLUDE_DIR CACHE)
  unset(EDDY_NGHTTP2_LIBRARY CACHE)
endif()
find_path(EDDY_NGHTTP2_INCLUDE_DIR nghttp2/nghttp2.h)
find_library(EDDY_NGHTTP2_LIBRARY nghttp2)
mark_as_advanced(EDDY_NGHTTP2_INCLUDE_DIR EDDY_NGHTTP2_LIBRARY)

if(EDDY_NGHTTP2_INCLUDE_DIR)
  file(STRINGS ${EDDY_NGHTTP2_INCLUDE_DIR}/nghttp2/nghttp2ver.h nghttp2_VERSION REGEX "define NGHTTP2_VERSION ")
  string(REGEX REPLACE ".*\"([0-9.]+).*" "\\1" nghttp2_VERSION "${nghttp2_VERSION}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(nghttp2
  REQUIRED_VARS EDDY_NGHTTP2_LIBRARY EDDY_NGHTTP2_INCLUDE_DIR
  VERSION_VAR nghttp2_VERSION
  REASON_FAILURE_MESSAGE "HTTP/2 needs nghttp2 1.50 or later (Debian: libnghttp2-dev)")

if(nghttp2_FOUND AND NOT TARGET nghttp2::nghttp2)
  add_library(nghttp2::nghttp2 UNKNOWN IMPORTED)
  set_target_properties(nghttp2::nghttp2 PROPERTIES
    IMPORTED_LOCATION ${EDDY_NGHTTP2_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${EDDY_NGHTTP2_INCLUDE_DIR})
endif()
