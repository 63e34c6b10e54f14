// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header for TLS on OpenSSL 3: the CMake target eddy::tls. Not part of <eddy/eddy.hpp>.
//
// Unless a docstring says otherwise:
// Thread safety: one thread at a time.
// Cancel safety: safe. A future can be dropped at any time, and nothing is lost.

#include <eddy/tls/config.hpp>    // client_config, server_config, and their builders
#include <eddy/tls/error.hpp>     // the error categories
#include <eddy/tls/identity.hpp>  // a certificate with its private key
#include <eddy/tls/stream.hpp>    // connect, accept, stream
