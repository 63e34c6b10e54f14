# Writes eddy.spdx.json into the build folder: an SBOM (SPDX 2.3) of the libraries that this build makes, and of what
# they link. install.cmake includes this file, and installs the result with the documents.

# eddy_spdx_package(ID VERSION LICENSE): adds a package. An empty version is unknown.
function(eddy_spdx_package id version license)
  set(text "\n    {\"SPDXID\": \"SPDXRef-${id}\", \"name\": \"${id}\", ")
  if(version)
    string(APPEND text "\"versionInfo\": \"${version}\", ")
  endif()
  string(APPEND text "\"licenseConcluded\": \"${license}\", \"licenseDeclared\": \"${license}\", "
    "\"copyrightText\": \"NOASSERTION\", \"downloadLocation\": \"NOASSERTION\", \"filesAnalyzed\": false, "
    "\"primaryPackagePurpose\": \"LIBRARY\"}")
  set_property(GLOBAL APPEND_STRING PROPERTY eddy_spdx_packages "${text},")
endfunction()

function(eddy_spdx_relation from kind to)
  set(text "\n    {\"spdxElementId\": \"SPDXRef-${from}\", \"relationshipType\": \"${kind}\", \"relatedSpdxElement\": \"SPDXRef-${to}\"}")
  set_property(GLOBAL APPEND_STRING PROPERTY eddy_spdx_relations "${text},")
endfunction()

# eddy_spdx_dependency(ID VERSION LICENSE LIBRARY...): a package that these libraries of eddy link
function(eddy_spdx_dependency id version license)
  eddy_spdx_package(${id} "${version}" "${license}")
  foreach(library IN LISTS ARGN)
    eddy_spdx_relation(${library} DEPENDS_ON ${id})
  endforeach()
endfunction()

set_property(GLOBAL PROPERTY eddy_spdx_packages "")
set_property(GLOBAL PROPERTY eddy_spdx_relations "")
eddy_spdx_package(eddy ${PROJECT_VERSION} MIT)
eddy_spdx_relation(DOCUMENT DESCRIBES eddy)
foreach(part IN ITEMS tls http ws)
  if(TARGET eddy_${part})
    eddy_spdx_package(eddy-${part} ${PROJECT_VERSION} MIT)
    eddy_spdx_relation(DOCUMENT DESCRIBES eddy-${part})
    eddy_spdx_relation(eddy-${part} DEPENDS_ON eddy)
  endif()
endforeach()
if(TARGET eddy_http AND TARGET eddy_tls)
  eddy_spdx_relation(eddy-http DEPENDS_ON eddy-tls)
endif()
if(TARGET eddy_ws)
  eddy_spdx_relation(eddy-ws DEPENDS_ON eddy-http)
endif()

if(liburing_FOUND)
  eddy_spdx_dependency(liburing "${liburing_VERSION}" "LGPL-2.1-or-later OR MIT" eddy)
endif()
if(TARGET eddy_tls)
  eddy_spdx_dependency(openssl "${OPENSSL_VERSION}" Apache-2.0 eddy-tls)
endif()
if(TARGET eddy_http AND nghttp2_FOUND)
  eddy_spdx_dependency(nghttp2 "${nghttp2_VERSION}" MIT eddy-http)
endif()
if(ZLIB_FOUND AND TARGET eddy_http)
  set(users eddy-http)
  if(TARGET eddy_ws)
    list(APPEND users eddy-ws)
  endif()
  eddy_spdx_dependency(zlib "${ZLIB_VERSION_STRING}" Zlib ${users})
endif()

get_property(packages GLOBAL PROPERTY eddy_spdx_packages)
get_property(relations GLOBAL PROPERTY eddy_spdx_relations)
string(REGEX REPLACE ",$" "" packages "${packages}")
string(REGEX REPLACE ",$" "" relations "${relations}")
string(TIMESTAMP created "%Y-%m-%dT%H:%M:%SZ" UTC) # SOURCE_DATE_EPOCH if that is set
string(UUID id NAMESPACE 6ba7b811-9dad-11d1-80b4-00c04fd430c8 NAME "eddy ${packages}${relations}${created}" TYPE SHA1)
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/eddy.spdx.json @ONLY CONTENT [[
{
  "spdxVersion": "SPDX-2.3",
  "dataLicense": "CC0-1.0",
  "SPDXID": "SPDXRef-DOCUMENT",
  "name": "eddy-@PROJECT_VERSION@",
  "documentNamespace": "urn:uuid:@id@",
  "creationInfo": {"created": "@created@", "creators": ["Tool: eddy-cmake"]},
  "packages": [@packages@
  ],
  "relationships": [@relations@
  ]
}
]])
