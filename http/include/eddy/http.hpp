// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header for HTTP/1.1 and HTTP/2: the CMake target eddy::http. Not part of <eddy/eddy.hpp>.
//
// Unless a docstring says otherwise:
// Thread safety: one thread at a time.

// Messages
#include <eddy/http/body.hpp>      // bytes, or a reader
#include <eddy/http/cookies.hpp>   // cookies, and signed cookies
#include <eddy/http/error.hpp>     // errc
#include <eddy/http/headers.hpp>   // the header fields
#include <eddy/http/method.hpp>    // GET, POST, ...
#include <eddy/http/request.hpp>   // request
#include <eddy/http/response.hpp>  // response
#include <eddy/http/secrets.hpp>   // a comparison for passwords and tokens
#include <eddy/http/status.hpp>    // 200, 404, ...
#include <eddy/http/url.hpp>       // url, and functions for its parts

// Clients
#include <eddy/http/client.hpp>      // get(), client
#include <eddy/http/cookie_jar.hpp>  // the cookies of a client
#include <eddy/http/proxies.hpp>     // the proxies of a client

// Servers
#include <eddy/http/access_log.hpp>     // a line for each request
#include <eddy/http/auth.hpp>           // layers that ask for a password or a token
#include <eddy/http/client_limit.hpp>   // a layer that limits the requests of each client
#include <eddy/http/compress.hpp>       // a layer that compresses responses
#include <eddy/http/cors.hpp>           // a layer for pages of other origins
#include <eddy/http/event_stream.hpp>   // server-sent events
#include <eddy/http/files.hpp>          // a service of the files of a folder
#include <eddy/http/health.hpp>         // a service for health checks
#include <eddy/http/metrics.hpp>        // counters of a server, for Prometheus
#include <eddy/http/multipart.hpp>      // the parts of a form
#include <eddy/http/parameters.hpp>     // typed parameters, or the response 400
#include <eddy/http/request_id.hpp>     // a layer that gives requests an id
#include <eddy/http/router.hpp>         // selects a service by path and method
#include <eddy/http/serve.hpp>          // serve(), serve_connection()
#include <eddy/http/server_timing.hpp>  // a layer that adds the time of the service to responses
#include <eddy/http/service.hpp>        // a callable that answers requests

// Not included, because it needs nlohmann/json: <eddy/http/json.hpp>  // JSON in requests and responses

// HTTP/1.1 without a connection
#include <eddy/http/h1.hpp>  // bytes become messages, and messages become bytes

// Other protocols on the same connection
#include <eddy/http/switch_protocols.hpp>  // switch_protocols(), for servers
#include <eddy/http/upgrade.hpp>           // upgrade(), for clients
