using System.CommandLine;
using System.Globalization;
using RlHarness.Cli.Terminal;
using RlHarness.Recipes.Planning;
using RlHarness.Training.Collectives;

namespace RlHarness.Cli.Commands;

internal static class DoctorCommand
{
    internal static Command Create()
    {
        var json = Options.Json();
        var command = new Command(
            "doctor",
            "Say what this machine offers: back end and libtorch, what was patched to load it, cores, memory, disk, GPU or why none. Exit "
                + "code 4 when libtorch does not load.\n\nExamples:\n  rlharness doctor\n  RLHARNESS_LIBTORCH=/path/to/torch/lib rlharness "
                + "doctor --json"
        )
        {
            json,
        };
        command.SetAction(
            (parsed, cancellation) =>
                RankedCommand.GuardAsync(cancellation, ranks =>
            {
                var report = MachineReport.Collect();
                if (!ranks.IsAlone)
                {
                    var threads = RankThreads.Choose(ranks);
                    report = report with { Ranks = $"{ranks.Size} by {ranks.Library}; threads: {threads.Words}" };
                }

                if (!ranks.IsFirst)
                    return 0;
                if (ranks.IsAlone && report.LibtorchLoaded && report.Threads < report.Cores)
                    Console.Error.WriteLine(
                        $"warning: libtorch takes {report.Threads} of {report.Cores} processors here; `threads` in a run's settings changes it"
                    );
                if (parsed.GetValue(json))
                    JsonOutput.Print(report);
                else
                    Print(report);
                return report.LibtorchLoaded ? 0 : (int)ExitCode.Resource;
            })
        );
        return command;
    }

    private static void Print(MachineReport r)
    {
        string G(double x) => x.ToString("f1", CultureInfo.InvariantCulture) + " GiB";
        Fields.Print([
            ("rlharness", r.Version),
            ("system", r.Os),
            (".NET", r.Framework),
            ("back end", r.Backend),
            ("libtorch", r.LibtorchLoaded ? r.LibtorchVersion : "NOT LOADED"),
            ("  from", r.LibtorchFolder),
            ("  patched", r.Patched),
            ("processor", $"{r.Processor}, {r.Cores} cores, {r.Threads} threads for products"),
            ("ranks", r.Ranks),
            ("kernels", r.Kernels),
            (
                "products",
                r.TiledTypes.Count > 0
                    ? $"in tiles of our own in {string.Join(" and ", r.TiledTypes)}"
                    : "libtorch's own: tiles need AVX-512 and a libtorch with oneDNN's micro-kernel"
            ),
            ("SIMD", r.Simd.Count == 0 ? "none known" : string.Join(' ', r.Simd)),
            ("memory", $"{G(r.MemoryGiB)}, {G(r.MemoryAvailableGiB)} available"),
            ("disk", $"{G(r.DiskFreeGiB)} free here"),
            ("GPU", r.Gpus.Count > 0 ? string.Join(", ", r.Gpus) : "none: " + r.WhyNoGpu),
            ("models", r.Models ?? "no folder (RLHARNESS_MODELS, ../shared/models)"),
            ("golden files", r.Golden ?? "no folder (RLHARNESS_GOLDEN, ../shared/golden); only tests need them"),
        ]);
        if (r.Error is { } error)
            Console.Error.WriteLine("error: " + error);
    }
}
