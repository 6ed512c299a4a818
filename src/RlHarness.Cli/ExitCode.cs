using RlHarness.Core.Errors;

namespace RlHarness.Cli;

/// <summary>What the process returns; documented in docs/cli.md.</summary>
public enum ExitCode
{
    Success = 0,

    /// <summary>A check that the command was asked for failed (<c>model verify</c>).</summary>
    CheckFailed = 1,

    /// <summary>The command line or the settings are wrong; nothing was started.</summary>
    BadInput = 2,

    /// <summary>A file that is needed is missing, cut or foreign.</summary>
    BadFile = 3,

    /// <summary>The machine lacks something: memory, disk, device, native library.</summary>
    Resource = 4,

    /// <summary>The run folder is in use by another process, or is not what the command expects.</summary>
    RunFolder = 5,

    /// <summary>A numerical check of the run failed (ratio at the first minibatch, a loss that is not finite).</summary>
    Numerics = 6,

    /// <summary>A defect of the program itself.</summary>
    Internal = 70,

    /// <summary>Stopped by SIGUSR1, as a time limit is near: saved, and to be started again (EX_TEMPFAIL of sysexits.h).</summary>
    Requeue = 75,

    /// <summary>Stopped by SIGHUP, as the terminal went: saved.</summary>
    HungUp = 129,

    /// <summary>Stopped by Ctrl-C: saved; or at once by a second one, and not saved.</summary>
    Interrupted = 130,

    /// <summary>Stopped by SIGTERM: saved.</summary>
    Terminated = 143,
}

/// <summary>Maps kinds of error to exit codes.</summary>
internal static class ExitCodes
{
    public static ExitCode Of(ErrorKind kind) =>
        kind switch
        {
            ErrorKind.CheckFailed => ExitCode.CheckFailed,
            ErrorKind.BadInput => ExitCode.BadInput,
            ErrorKind.BadFile => ExitCode.BadFile,
            ErrorKind.Resource => ExitCode.Resource,
            ErrorKind.RunFolder => ExitCode.RunFolder,
            ErrorKind.Numerics => ExitCode.Numerics,
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "a kind of error without an exit code"),
        };
}
