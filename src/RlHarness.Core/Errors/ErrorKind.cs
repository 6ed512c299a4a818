namespace RlHarness.Core.Errors;

/// <summary>What sort of thing went wrong, so that callers can catch by kind and the command line can choose its exit code.</summary>
public enum ErrorKind
{
    /// <summary>The command line or the settings are wrong; nothing was started.</summary>
    BadInput,

    /// <summary>A file is missing, cut, damaged or of a foreign format.</summary>
    BadFile,

    /// <summary>The machine lacks something: memory, disk space, a device, a native library.</summary>
    Resource,

    /// <summary>The run's folder is in use by another process, or is not what the command expects.</summary>
    RunFolder,

    /// <summary>A numerical check failed: the ratio of the first minibatch, or a value that is not finite.</summary>
    Numerics,

    /// <summary>A check that the caller asked for failed.</summary>
    CheckFailed,
}
