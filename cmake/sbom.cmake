# Functions for install.cmake, which write an SBOM (SPDX 2.3): the libraries that this build makes, and what they link.
set(spdx_packages)
set(spdx_relations)

# eddy_spdx_package(ID VERSION LICENSE [APPLICATION]): adds a library or program, once. An empty version is unknown.
function(eddy_spdx_package id version license)
  set(purpose ${ARGN})
  if(NOT purpose)
    set(purpose LIBRARY)
  endif()
  if(version)
    set(version "\"versionInfo\": \"${version}\", ")
  endif()
  set(text "{\"SPDXID\": \"SPDXRef-${id}\", \"name\": \"${id}\", ${version}\"licenseConcluded\": \"${license}\", \"licenseDeclared\": \"${license}\", "
           "\"copyrightText\": \"NOASSERTION\", \"downloadLocation\": \"NOASSERTION\", \"filesAnalyzed\": false, \"primaryPackagePurpose\": \"${purpose}\"}")
  list(JOIN text "" text)
  list(APPEND spdx_packages ${text})
  list(REMOVE_DUPLICATES spdx_packages)
  set(spdx_packages ${spdx_packages} PARENT_SCOPE)
endfunction()

function(eddy_spdx_relation from kind to)
  list(APPEND spdx_relations
       "{\"spdxElementId\": \"SPDXRef-${from}\", \"relationshipType\": \"${kind}\", \"relatedSpdxElement\": \"SPDXRef-${to}\"}")
  list(REMOVE_DUPLICATES spdx_relations)
  set(spdx_relations ${spdx_relations} PARENT_SCOPE)
endfunction()

function(eddy_spdx_write file)
  list(JOIN spdx_packages ",\n    " packages)
  list(JOIN spdx_relations ",\n    " relations)
  string(TIMESTAMP created "%Y-%m-%dT%H:%M:%SZ" UTC) # SOURCE_DATE_EPOCH if that is set
  string(UUID id NAMESPACE 6ba7b811-9dad-11d1-80b4-00c04fd430c8 NAME "eddy ${packages}${relations}${created}" TYPE SHA1)
  file(CONFIGURE OUTPUT ${file} @ONLY CONTENT [[
{
  "spdxVersion": "SPDX-2.3",
  "dataLicense": "CC0-1.0",
  "SPDXID": "SPDXRef-DOCUMENT",
  "name": "eddy-@PROJECT_VERSION@",
  "documentNamespace": "urn:uuid:@id@",
  "creationInfo": {"created": "@created@", "creators": ["Tool: eddy-cmake"]},
  "packages": [
    @packages@
  ],
  "relationships": [
    @relations@
  ]
}
]])
endfunction()
