// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include <eddy/detail/export.hpp>
#include <eddy/http/service.hpp>

namespace eddy::detail {
class http_counters;
}  // namespace eddy::detail

namespace eddy::http {

/// Counters of one server or several, as text for Prometheus:
///     const http::metrics counters;
///     app.get("/metrics", counters.endpoint());
///     co_await try_(http::serve(std::move(listener), app, http::serve_options().metrics(counters)));
///
/// - `http_requests_total{code="200"}`: requests by the status that the client gets. Requests that the server refuses
///   are included. The code 499 stands for a request that was cancelled, for example because the connection has ended.
/// - `http_request_duration_seconds`: a histogram of the time from the call of the service to its response, without the
///   time for sending it.
/// - `http_requests_in_progress`: calls of the service that have not ended.
/// - `http_connections`, `http_connections_total`: open connections, and all connections since the start.
/// - `eddy_...`: the counters of all runtimes and event loops of the process: see metrics_text().
///
/// Thread safety: any thread. Copies share the counters, and moving is copying.
/// Cost: some relaxed atomic operations for each request; a coroutine frame for each connection.
class EDDY_API metrics {
public:
    /// Makes counters with the value 0.
    metrics();
    metrics(const metrics&) = default;
    metrics& operator=(const metrics&) = default;
    ~metrics() = default;

    /// Makes a service that answers with text().
    [[nodiscard]] service endpoint() const;
    /// Returns the counters in the text format of Prometheus, version 0.0.4, followed by metrics_text().
    [[nodiscard]] std::string text() const;

private:
    friend class serve_options;

    std::shared_ptr<detail::http_counters> shared_;
};

}  // namespace eddy::http
