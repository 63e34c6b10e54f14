// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <support/windows/skipped.hpp>

#include <string>
#include <string_view>

namespace support {
namespace {

struct skipped_test {
    std::string_view name;  // a `*` at its end stands for any text
    std::string_view why;
};

constexpr std::string_view no_fork = "Windows has no fork(2)";
constexpr std::string_view no_limit = "Windows has no limit on the number of descriptors";
constexpr std::string_view no_thread_limit = "Windows has no limit on the number of threads";
constexpr std::string_view no_unix = "Unix sockets report not_supported on Windows";
constexpr std::string_view no_pipe = "Windows has no pipes that a driver can watch";
constexpr std::string_view no_queue = "Windows does not report whether the peer has received all data";
constexpr std::string_view no_number = "the number of a socket cannot be chosen on Windows";
constexpr std::string_view no_mode = "the mode of a socket cannot be read on Windows";
constexpr std::string_view no_reset = "wine reports a reset connection as the end of its stream";
constexpr std::string_view no_refusal = "the library ignores refused datagrams on Windows";
constexpr std::string_view no_thread_local = "MinGW frees a thread_local variable before its destructor runs";
constexpr std::string_view no_device = "Windows cannot bind a socket to a device";

constexpr skipped_test skipped_tests[] = {
    {"AwaitedLayers.OtherTaskMayWriteWhereCopyWrites", no_unix},
    {"AwaitedLayersDeathTest.SocketAwaitedTwiceInsideLayerIsReported", no_unix},
    {"AwaitedLayersDeathTest.SocketDestroyedDuringFeedIsReported", no_unix},
    {"AwaitedLayersDeathTest.SocketDestroyedInsideLayerIsReported", no_unix},
    {"AwaitedObjectsDeathTest.DestroyedSocketInsideOfAnAlgorithmIsReported", no_unix},
    {"AwaitedObjectsDeathTest.TwoTasksThatReadAreReported", no_unix},
    {"BackgroundReactor.DestroyedInForkedChildLeavesParentRunning", no_fork},
    {"BlockingPool.JobWaitsForAnExistingThreadIfNoneCanStart", no_fork},
    {"BlockingPool.ThreadLocalDestructor*", no_thread_local},
    {"CloseGracefully.ResetByThePeerIsAnError", no_reset},
    {"CloseGracefully.UnixStreamIsClosedLikeATcpStream", no_unix},
    {"Core.AttachFailsInAChildForkedInsideRun", no_fork},
    {"Core.FailedMakeLeavesNoDescriptorOpen", no_limit},
    {"Core.ForkedChildCannotRunTheLoopButCanMakeANewLoop", no_fork},
    {"Core.LoopDestroyedInAForkedChildStillWorksInTheParent", no_fork},
    {"Core.LoopWithoutIoRunsTimersAndRemoteWork", "counts the timerfds and eventfds of Linux"},
    {"Core.LoopWithoutIoWorksInAForkedChild", no_fork},
    {"Core.MakeReportsTooManyOpenFiles", no_limit},
    {"Core.SpawnOnTheParentsLoopFailsInAForkedChild", no_fork},
    {"Core.SpinningIsPartOfTheLimitOfATurn", "Windows does not count how often a thread waits"},
    {"CoreRemote.SpawnInForkedChildIsRefused", no_fork},
    {"CoreRemote.WakeInForkedChildDoesNotWakeParent", no_fork},
    {"CoreSettings.SmallEventLimitPerTickReachesAllSources", no_unix},
    {"CoreThread.MakeReportsTooManyOpenFiles", no_limit},
    {"DatagramRecvBuf.ConnectedSocketReportsARefusalOnce", no_refusal},
    {"CoreThread.ErrorOfTheLoopIsReturned", no_limit},
    {"DatagramRecvBuf.UnixDatagramsAreReceivedWhole", no_unix},
    {"FramePool.ThreadLocalDestructorCanAllocate", no_thread_local},
    {"IoTcpDeathTest.ClosedStandardDescriptorsAreNotReused",
     "the numbers of sockets are not those of standard descriptors on Windows"},
    {"LookupHost.ForkedChildResolvesOnOwnThreads", no_fork},
    {"LookupHost.SystemErrorOfResolverIsTheErrorOfTheLookup", "Windows has no EAI_SYSTEM"},
    {"MovedFrom.AddressesAndOptionsOfUnixSocketsThrowMisuse", no_unix},
    {"MovedFrom.PipesThrowMisuse", no_pipe},
    {"NetPollReady.HalvesAndUnixStreamsReportReadiness", no_unix},
    {"NetPollReady.PipeIsReadyWhenBytesArrive", no_pipe},
    {"NetPollReady.UnixDatagramIsNotReadyToSendWhileItIsFull", no_unix},
    {"NetServe.AcceptIsRetriedAfterDescriptorShortage", no_limit},
    {"NetServe.ConnectionLostBeforeAcceptDoesNotEndServe", no_unix},
    {"NetServe.ConnectionThatEndsDuringAcceptsMakesRoom", no_unix},
    {"NetServe.ErrorOfUserListenerEndsServe", no_unix},
    {"NetServe.FinishedHandlersAreReleasedDuringFlood", no_unix},
    {"NetServe.ServesUnixListener", no_unix},
    {"PrintAwaits.FunctionOfTheLibraryIsShownAtItsAwait", no_unix},
    {"Reactor.EventsOfAClosedDescriptorDoNotReachAReusedNumber", no_number},
    {"Reactor.MakeReportsTooManyOpenFiles", no_limit},
    {"Reactor.SourceOfAClosedDescriptorIsFreedUnderSanitizers", "a closed socket stays watched until the next tick"},
    {"Reactor.TurnAndAttachFailInAForkedChild", no_fork},
    {"ReactorStress.EventsNeverReachAReusedDescriptorNumber", no_number},
    {"Registration.BlockingDescriptorIsRejected", no_mode},
    {"Registration.RegularFilesAndDirectoriesAreRejected", "a file has no descriptor of this library on Windows"},
    {"Run.DescriptorShortageIsPrintedAndExitCodeIsOne", no_limit},
    {"RuntimeBuilder.BuildWithoutDescriptorsFailsAndLeaksNothing", no_limit},
    {"RuntimeBuilder.EnvironmentVariableSelectsDriver", "Windows has one driver"},
    {"RuntimeResources.BuildWithTooFewDescriptorsLeavesNoneOpen", no_limit},
    {"RuntimeResourcesOwnProcess.BlockingWorkErrorNamesThreadLimit", no_fork},
    {"RuntimeResourcesOwnProcess.ThreadLocalDestructorsMayUseRuntime", no_fork},
    {"RuntimeResourcesOwnProcess.WorksIfNoMoreThreadsCanStart", no_fork},
    {"RuntimeSettings.SmallEventLimitPerTickReachesAllSources", no_unix},
    {"RuntimeShutdownBlockingDeathTest.ShutdownWorksWithoutThreads", no_thread_limit},
    {"TcpAccept.ConnectionAcceptedAheadDoesNotGetDescriptor1", no_fork},
    {"TcpAccept.ConnectionResetBeforeAcceptIsStillReturned", "Windows does not accept a connection that was reset"},
    {"TcpAccept.ReleasedListenerYieldsNoStandardDescriptor", no_fork},
    {"TcpConnect.ConnectWithoutDescriptorsFails", no_limit},
    {"TcpConnect.SocketIsNonBlockingAndCloseOnExec", no_mode},
    {"TcpHalves.QuickackReadsBack", "Windows has no TCP_QUICKACK"},
    {"TcpHalves.ZeroLingerResetsConnection", no_reset},
    {"TcpListener.AcceptDroppedDuringPauseReleasesWaker", no_limit},
    {"TcpListener.AcceptOnListenerOfEndedLoopFailsDespiteEmfilePause", no_limit},
    {"TcpListener.AcceptedStreamIsNonBlockingAndCloseOnExec", no_mode},
    {"TcpListener.BindWithoutLoopIoOrDescriptorsFails", no_limit},
    {"TcpListener.DroppedListenerResetsUnacceptedClients", no_reset},
    {"TcpListener.ForEachEndsWhenDescriptorsRunOut", no_limit},
    {"TcpListener.FromNativeRefusesAndClosesOtherDescriptors", no_mode},
    {"TcpListener.IncomingPausesUntilDescriptorsAreFreed", no_limit},
    {"TcpListener.ShortageIsReportedOnlyWithPendingClient", no_limit},
    {"TcpPeer.DataAfterAnUrgentByteIsNotHeldBack", no_queue},
    {"TcpPeer.LoneUrgentByteDoesNotDelayLaterData", no_queue},
    {"TcpPeer.PeekDoesNotSwallowAReset", no_queue},
    {"TcpPeer.PeekSeesAllDataThatArrivedInSmallPieces", no_queue},
    {"TcpPeer.VectoredReadDoesNotLoseReset", no_queue},
    {"TcpSocket.AcceptedConnectionsInheritKeepalive", "Windows has no TCP_USER_TIMEOUT"},
    {"TcpSocket.AdoptedReusePortSocketsShareOnePort", "Windows has no SO_REUSEPORT"},
    {"TcpSocket.BindDeviceReadsBackAndRefusesBadNames", no_device},
    {"TcpSocket.CreationWithoutDescriptorsFails", no_limit},
    {"TcpSocket.FastopenReadsBackAndCarriesBytes", "the library does not support TCP Fast Open on Windows"},
    {"TcpSocket.FromNativeRefusesBlockingAndInvalidDescriptors", no_mode},
    {"TcpSocket.KeepaliveTimesAndUserTimeoutReadBack", "Windows has no TCP_USER_TIMEOUT"},
    {"TcpSocket.OptionsReadBack", no_mode},
    {"TcpStream.FromNativeRefusesBlockingSocket", no_mode},
    {"TcpStream.IntoNativeReportsReset", no_reset},
    {"TcpStream.ShutdownFutureMayOutliveStream", no_number},
    {"TcpStream.TakeErrorReturnsEachErrorOnce", no_reset},
    {"TcpStream.UnixSocketFromNativeIsReadUntilItWouldBlock", no_unix},
    {"UdpBatch.ClosedPeerIsReported", no_refusal},
    {"UdpBatch.DatagramsAreSentSinglyWithoutSegmentation", "Windows has no SO_NO_CHECK"},
    {"UdpBatch.ErrorAfterShortBatchIsReported", no_refusal},
    {"UdpBatch.ErrorOfLaterDatagramIsReportedByNextCall", "Windows has no calls for batches of datagrams"},
    {"UdpFramed.ErrorOfTheSocketIsAnItemAndReadingContinues", no_refusal},
    {"UdpSocket.BindDeviceReadsBackAndRefusesBadNames", no_device},
    {"UdpSocket.ConnectedSocketReportsEachRefusalOnce", no_refusal},
    {"UdpSocket.FailedSendDgramAndRecvDgramReturnSocketAndBuffer", no_refusal},
    {"UdpSocket.FromNativeAndIntoNativeKeepDescriptor", no_mode},
    {"UdpSocket.FromNativeRefusesAndClosesOtherDescriptors", no_mode},
    {"UdpSocket.PortZeroBindsFreePort", no_mode},
    {"UdpSocket.SendWithoutConnectNeedsAddress", "wine reports invalid_argument"},
    {"Workers/RuntimeSpawn.ThreadLocalDestructor*", no_thread_local},
};

bool matches(std::string_view pattern, std::string_view name) {
    return pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1)) : name == pattern;
}

class skips_tests : public testing::EmptyTestEventListener {
    // GoogleTest does not run a test that is skipped when it starts.
    void OnTestStart(const testing::TestInfo& test) override {
        const std::string name = std::string(test.test_suite_name()) + "." + test.name();
        for (const skipped_test& each : skipped_tests) {
            if (matches(each.name, name)) GTEST_SKIP() << each.why;
        }
    }
};

}  // namespace

void skip_tests_of_other_systems() { testing::UnitTest::GetInstance()->listeners().Append(new skips_tests); }

}  // namespace support
