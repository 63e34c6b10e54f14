// SPDX-License-Identifier: MIT
#include <eddy/http/health.hpp>

#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/task/task.hpp>

namespace eddy::http {

service health(const sync::cancellation_token& ending) {
    return [ending](request) -> task<response> {
        if (ending.is_cancelled()) co_return response::text("shutting down\n", status::service_unavailable);
        co_return response::text("ok\n");
    };
}

}  // namespace eddy::http
