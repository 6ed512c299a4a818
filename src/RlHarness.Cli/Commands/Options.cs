using System.CommandLine;
using RlHarness.Core.Errors;
using TorchSharp;

namespace RlHarness.Cli.Commands;

/// <summary>Options that several commands have.</summary>
internal static class Options
{
    internal static Option<string> Device() => new("--device") { Description = "auto, cpu, cuda or cuda:n.", DefaultValueFactory = _ => "auto" };

    internal static Option<string> Precision()
    {
        var option = new Option<string>("--precision")
        {
            Description = "Type of the matrix products: float32 or bfloat16.",
            DefaultValueFactory = _ => "float32",
        };
        option.AcceptOnlyFromAmong("float32", "bfloat16");
        return option;
    }

    internal static Option<bool> Json() => new("--json") { Description = "Print one JSON object, for programs." };

    internal static Option<bool> Quiet() => new("--quiet") { Description = "No progress: warnings on standard error, and the result." };

    internal static Option<bool> Settings() => new("--settings") { Description = "With --dry-run: also print every setting, the defaults too." };

    /// <exception cref="HarnessException">Settings were asked for without a dry run.</exception>
    internal static void RequireDryRun(bool settings, bool dryRun)
    {
        if (settings && !dryRun)
            throw new HarnessException(
                ErrorKind.BadInput,
                "--settings belongs to a dry run",
                "--settings alone",
                "--dry-run --settings",
                "add --dry-run; of a run that was started, config.yaml has every setting"
            );
    }

    internal static torch.ScalarType ScalarType(string precision) => precision == "bfloat16" ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32;

    /// <exception cref="HarnessException">The number is outside its range.</exception>
    internal static T Within<T>(string option, T value, T low, T high)
        where T : IComparable<T> =>
        value.CompareTo(low) >= 0 && value.CompareTo(high) <= 0
            ? value
            : throw new HarnessException(
                ErrorKind.BadInput,
                $"{option} is out of range",
                FormattableString.Invariant($"{value}"),
                FormattableString.Invariant($"{low} to {high}")
            );

    internal static Option<int> Threads() => new("--threads") { Description = "Of libtorch and of the kernels; 0 takes one for each core." };

    /// <summary>Takes as many threads as <see cref="Threads"/> was given.</summary>
    internal static void UseThreads(int threads)
    {
        if (Within("--threads", threads, 0, 1024) > 0)
            torch.set_num_threads(threads);
    }

    /// <summary>The checkpoint of RL that is meant, where it is not the newest.</summary>
    public static Option<int?> From() => new("--from") { Description = "A step whose RL checkpoint is there; left out: the newest." };
}
