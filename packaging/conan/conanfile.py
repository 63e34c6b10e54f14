# SPDX-License-Identifier: MIT
"""The recipe of eddy for Conan 2. In the folder of eddy's sources:

    conan create packaging/conan --build=missing
    conan create packaging/conan -o "eddy/*:with_io_uring=False" -o "eddy/*:with_tls=False" \
        -o "eddy/*:with_ws=False"     # needs no other package
"""
import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rmdir

sources = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


class Eddy(ConanFile):
    name = "eddy"
    description = "An asynchronous I/O runtime for C++23"
    license = "MIT"
    topics = ("async", "coroutines", "networking", "io_uring", "epoll")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False], "fPIC": [True, False], "with_io_uring": [True, False], "with_tls": [True, False],
               "with_ws": [True, False], "with_brotli": [True, False], "with_zstd": [True, False]}
    default_options = {"shared": False, "fPIC": True, "with_io_uring": True, "with_tls": True, "with_ws": True,
                       "with_brotli": False, "with_zstd": False}
    implements = ["auto_shared_fpic"]

    def set_version(self):
        text = load(self, os.path.join(sources, "CMakeLists.txt"))
        self.version = re.search(r"^  VERSION (\S+)$", text, re.M)[1]

    def export_sources(self):
        text = load(self, os.path.join(sources, "CMakeLists.txt"))
        libraries = re.search(r"^set\(EDDY_LIBRARIES (.*)\)$", text, re.M)[1].split()
        for pattern in ("CMakeLists.txt", "LICENSE", "cmake/*", "docs/*", "tools/eddy-check", *(f"{name}/*" for name in libraries)):
            copy(self, pattern, sources, self.export_sources_folder)

    def layout(self):
        cmake_layout(self)

    def requirements(self):
        if self.options.with_io_uring:
            self.requires("liburing/[>=2.3 <3]")
        if self.options.with_tls:
            self.requires("openssl/[>=3 <4]")
        if self.options.with_ws:
            self.requires("zlib/[>=1.2.11 <2]")
        if self.options.with_brotli:
            self.requires("brotli/[>=1.0.9 <2]")
        if self.options.with_zstd:
            self.requires("zstd/[>=1.4 <2]")

    def validate(self):
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("eddy supports Linux only")
        check_min_cppstd(self, 23)

    def generate(self):
        CMakeDeps(self).generate()
        toolchain = CMakeToolchain(self)
        library_paths = []
        for part in ("TESTS", "EXAMPLES", "BENCH", "INSPECT"):  # the program `eddy` needs fmt and CLI11, the libraries do not
            toolchain.cache_variables[f"EDDY_BUILD_{part}"] = False
        toolchain.cache_variables["EDDY_BUILD_TLS"] = bool(self.options.with_tls)
        toolchain.cache_variables["EDDY_BUILD_WS"] = bool(self.options.with_ws)
        toolchain.cache_variables["EDDY_INSTALL"] = True
        toolchain.cache_variables["CMAKE_DISABLE_FIND_PACKAGE_nghttp2"] = True  # HTTP/2 is not in this package
        if not self.options.with_ws:  # one of the system must not be used
            toolchain.cache_variables["CMAKE_DISABLE_FIND_PACKAGE_ZLIB"] = True
        # The files cmake/Find*.cmake look for these packages themselves.
        for package in ("liburing", "brotli", "zstd"):
            if not self.options.get_safe(f"with_{'io_uring' if package == 'liburing' else package}"):
                toolchain.cache_variables[f"CMAKE_DISABLE_FIND_PACKAGE_{package}"] = True
                continue
            cpp = self.dependencies[package].cpp_info.aggregated_components()
            toolchain.cache_variables[f"EDDY_{package.upper()}_INCLUDE_DIR"] = cpp.includedirs[0]
            library_paths.append(cpp.libdirs[0])
        toolchain.cache_variables["CMAKE_LIBRARY_PATH"] = ";".join(library_paths)
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()
        # CMakeDeps makes the files for find_package() and pkg-config. eddy_check() stays.
        rmdir(self, os.path.join(self.package_folder, "lib", "pkgconfig"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "eddy")
        check = os.path.join("lib", "cmake", "eddy", "eddy_check.cmake")
        self.cpp_info.set_property("cmake_build_modules", [check])

        def component(name, library, requires, target=None):
            part = self.cpp_info.components[name]
            part.set_property("cmake_target_name", target or f"eddy::{name}")
            part.set_property("pkg_config_name", "eddy" if name == "eddy" else f"eddy-{name}")
            part.libs = [library] if library else []
            part.requires = requires
            return part

        core = component("eddy", "eddy", ["liburing::liburing"] if self.options.with_io_uring else [])
        core.system_libs = ["pthread"]
        if self.settings.build_type == "Debug":  # as the CMake target does
            core.defines = ["EDDY_CHECKS=1", "_GLIBCXX_ASSERTIONS"]
        elif self.settings.os != "Windows":  # see eddy_gc_sections() in cmake/library.cmake
            core.exelinkflags = ["-Wl,-dead_strip" if self.settings.os == "Macos" else "-Wl,--gc-sections"]
        component("proto", None, ["eddy"])
        if self.options.with_tls:
            component("tls", "eddy_tls", ["eddy", "openssl::ssl", "openssl::crypto"])
        component("fs", "eddy_fs", ["eddy"])
        if self.settings.os == "Linux":
            component("process", "eddy_process", ["eddy"])
        http_requires = ["fs", *(["tls"] if self.options.with_tls else [])]  # tls for https
        if self.options.with_ws:  # which adds zlib: also for compression
            http_requires.append("zlib::zlib")
        http_requires += [f"{name}::{name}" for name in ("brotli", "zstd") if self.options.get_safe(f"with_{name}")]
        component("http", "eddy_http", http_requires)
        component("inspect", "eddy_inspect", ["http"])
        if self.options.with_ws:
            component("ws", "eddy_ws", ["http", "zlib::zlib"])
