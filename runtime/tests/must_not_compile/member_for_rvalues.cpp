// Members that consume their object accept an rvalue, whatever parameters the overload for lvalues has.
//
// expect-error: eddy: this takes ownership of its object: write std::move(x).f(...), not x.f(...)
// only-error
#include <eddy/io/async_fd.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/net/tcp_socket.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/net/udp_socket.hpp>
#include <eddy/runtime/background_reactor.hpp>
#include <eddy/runtime/reactor.hpp>
#include <eddy/runtime/runtime.hpp>
#include <eddy/task/join_set.hpp>
#include <eddy/task/task.hpp>

eddy::task<void> use(eddy::join_set<int> set) {
#ifdef EDDY_CONTROL
    for (const int each : co_await std::move(set).join_all()) static_cast<void>(each);
#else
    for (const int each : co_await set.join_all()) static_cast<void>(each);
#endif
}

#ifdef EDDY_CONTROL
eddy::task<void> use_all(eddy::runtime a, eddy::runtime b, eddy::runtime c, eddy::runtime d, eddy::net::tcp_stream s,
                         eddy::net::tcp_listener l, eddy::net::tcp_socket e, eddy::net::tcp_socket f, eddy::reactor r,
                         eddy::net::tcp_stream t, eddy::net::udp_socket u) {
    std::move(a).shutdown_background();
    co_await std::move(b).shutdown_on_idle();
    co_await std::move(c).shutdown_now();
    static_cast<void>(std::move(d).block_on_all(use(eddy::join_set<int>())));
    static_cast<void>(co_await std::move(s).into_native());
    static_cast<void>(co_await std::move(l).into_native());
    static_cast<void>(std::move(e).listen(5));
    static_cast<void>(co_await std::move(f).connect(eddy::net::socket_addr()));
    auto halves = std::move(t).into_split();
    static_cast<void>(std::move(halves.reader).reunite(std::move(halves.writer)));
    static_cast<void>(co_await std::move(u).into_native());
    if (auto threaded = std::move(r).background()) std::move(*threaded).forget();
}
#endif
