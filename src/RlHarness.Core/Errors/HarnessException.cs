using System.Globalization;

namespace RlHarness.Core.Errors;

/// <summary>
/// An error that a person can cause or cure. The message says what happened and where, what was found, what was expected, and what to do; it is shown
/// without a stack trace.
/// </summary>
public sealed class HarnessException : Exception
{
    public HarnessException(ErrorKind kind, string what, string? found = null, string? expected = null, string? remedy = null, Exception? inner = null)
        : base(Compose(what, found, expected, remedy), inner) => Kind = kind;

    private HarnessException(ErrorKind kind, string message, Exception inner)
        : base(message, inner) => Kind = kind;

    public ErrorKind Kind { get; }

    public static HarnessException BadFile(
        string path,
        string what,
        string? found = null,
        string? expected = null,
        string? remedy = null,
        Exception? inner = null
    ) => new(ErrorKind.BadFile, $"{path}: {what}", found, expected, remedy, inner);

    /// <summary>The error of a number that has to be finite, and is not.</summary>
    /// <param name="what">Which number: "the policy's loss".</param>
    public static HarnessException NotFinite(string what, double found) =>
        new(
            ErrorKind.Numerics,
            $"{what} is not finite",
            found.ToString(CultureInfo.InvariantCulture),
            "a finite number",
            "training diverged (lower the learning rate), the model's weights are damaged, or a number overflows in this precision (try float32)"
        );

    /// <summary>A number as it is, when it is finite.</summary>
    /// <exception cref="HarnessException">It is NaN or infinite.</exception>
    public static double Finite(double value, string what) => double.IsFinite(value) ? value : throw NotFinite(what, value);

    /// <summary>This error with the place where it happened before its message.</summary>
    public HarnessException At(string place) => new(Kind, $"{place}: {Message}", this);

    private static string Compose(string what, string? found, string? expected, string? remedy)
    {
        var lines = new List<string> { what };
        if (found is not null)
            lines.Add("  found:    " + found);
        if (expected is not null)
            lines.Add("  expected: " + expected);
        if (remedy is not null)
            lines.Add("  do:       " + remedy);
        return string.Join(Environment.NewLine, lines);
    }
}

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
