using System.Runtime.InteropServices;

namespace RlHarness.Cli.Terminal;

/// <summary>
/// SIGINT, SIGTERM, SIGHUP and SIGUSR1 cancel the command's token: a run finishes or abandons the step in hand, saves the last one that was finished, and the
/// process returns a code of that signal. A second SIGINT ends the process at once.
/// </summary>
internal sealed partial class StopSignals : IDisposable
{
    /// <summary>Numbers that .NET has no name for: Linux's.</summary>
    private const PosixSignal SigUsr1 = (PosixSignal)10;

    private static PosixSignal? _first;
    private static bool _heeded;
    private readonly CancellationTokenSource _stop = new();
    private readonly PosixSignalRegistration[] _registrations;

    private StopSignals() =>
        _registrations = [
            .. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP }
                .Concat(OperatingSystem.IsLinux() ? [SigUsr1] : Array.Empty<PosixSignal>())
                .Select(signal => PosixSignalRegistration.Create(signal, Heard)),
        ];

    internal CancellationToken Token => _stop.Token;

    /// <summary>Whether a signal has come.</summary>
    internal static bool HasCome => _first is not null;

    /// <summary>A child that goes with this process where a second Ctrl-C ends it; 0: none.</summary>
    internal static int Child { get; set; }

    /// <summary>What a command that was stopped returns.</summary>
    internal static ExitCode Code =>
        _first switch
        {
            PosixSignal.SIGTERM => ExitCode.Terminated,
            PosixSignal.SIGHUP => ExitCode.HungUp,
            SigUsr1 => ExitCode.Requeue,
            _ => ExitCode.Interrupted,
        };

    internal static StopSignals Listen() => new();

    /// <summary>The command looks at the token from here on; until then, and in commands that do not, a signal ends the process as it ends any.</summary>
    internal static void Heed() => Volatile.Write(ref _heeded, true);

    public void Dispose()
    {
        foreach (var registration in _registrations)
            registration.Dispose();
        _stop.Dispose();
    }

    private void Heard(PosixSignalContext context)
    {
        if (!Volatile.Read(ref _heeded))
            return;
        context.Cancel = true;
        if (context.Signal == PosixSignal.SIGINT && _first == PosixSignal.SIGINT)
            ExitNow((int)ExitCode.Interrupted);
        if (_first is null && context.Signal == PosixSignal.SIGHUP)
            Silence();
        _first ??= context.Signal;
        try
        {
            _stop.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The command ended meanwhile.
        }
    }

    /// <summary>The terminal is gone: a write to it would fail, and the run with it.</summary>
    private static void Silence()
    {
        Console.SetOut(TextWriter.Null);
        Console.SetError(TextWriter.Null);
    }

    /// <summary>Ends the process without exit handlers, which native threads at work can crash or hang in.</summary>
    internal static void ExitNow(int code)
    {
        if (Child != 0 && !OperatingSystem.IsWindows())
            _ = Kill(Child, 15);
        if (OperatingSystem.IsWindows())
            Environment.Exit(code);
        Exit(code);
    }

    /// <summary>Asks a child that waits for it to save and stop, whatever signal this process got.</summary>
    internal static void Save(int process)
    {
        if (!OperatingSystem.IsWindows())
            _ = Kill(process, 10);
    }

    /// <summary>Hands the signal that this process got on to a child; Ctrl-C reaches it by itself.</summary>
    internal static void HandOn(int process)
    {
        if (_first is { } signal and not PosixSignal.SIGINT && !OperatingSystem.IsWindows())
            _ = Kill(
                process,
                signal == SigUsr1 ? 10
                    : signal == PosixSignal.SIGHUP ? 1
                    : 15
            );
    }

    [LibraryImport("libc", EntryPoint = "_exit")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial void Exit(int code);

    [LibraryImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Kill(int process, int signal);
}
