using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using RlHarness.Cli;
using RlHarness.Core.Errors;
using RlHarness.Core.Runs;
using RlHarness.Tools.Fuzz;

namespace RlHarness.Tools.Commands;

/// <summary>Gives readers damaged files: each is read or refused in words, within two seconds and in bounded memory.</summary>
internal static class FuzzCommand
{
    private const int Seconds = 2;
    private const long Spare = 64L << 20;

    internal static Command Create()
    {
        var reader = new Option<string>("--reader") { Description = "all, or " + string.Join(", ", FuzzReader.Names), DefaultValueFactory = _ => "all" };
        var count = new Option<int>("--count") { Description = "Mutated files of each reader.", DefaultValueFactory = _ => 100_000 };
        var seed = new Option<int>("--seed") { Description = "The first seed; file n has seed + n.", DefaultValueFactory = _ => 1 };
        var command = new Command("fuzz", "Give each reader damaged files. Exit code 1 when one crashes it, takes over 2 s, or over twice its size + 64 MB.")
        {
            reader,
            count,
            seed,
        };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                var name = parsed.GetValue(reader)!;
                return (name == "all" ? FuzzReader.Names : [name]).Max(n => Run(n, parsed.GetValue(count), parsed.GetValue(seed)));
            })
        );
        return command;
    }

    private static int Run(string name, int count, int first)
    {
        var folder = Directory.CreateTempSubdirectory("rlharness-fuzz-");
        try
        {
            var reader = FuzzReader.Of(name, folder.FullName);
            reader.Read(reader.Valid);
            var failures = new SortedDictionary<string, List<long>>(StringComparer.Ordinal);
            var (refused, slowest, largest, native) = (0, 0L, 0L, 0L);
            for (long n = 0, seed = first; n < count; n++, seed++)
            {
                var bytes = Mutator.Of(reader.Valid, seed, reader.Within);
                ProcessMemory.ResetPeak();
                var resident = ProcessMemory.ResidentGiB();
                var before = GC.GetAllocatedBytesForCurrentThread();
                var watch = Stopwatch.StartNew();
                try
                {
                    reader.Read(bytes);
                }
                catch (HarnessException)
                {
                    refused++;
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    var where = e.StackTrace?.Split('\n').FirstOrDefault(line => line.Contains(" RlHarness.", StringComparison.Ordinal))?.Trim();
                    Add($"{e.GetType().Name} {where}", seed);
                }

                var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
                var unmanaged = (long)((ProcessMemory.PeakGiB() - resident) * (1L << 30)) - allocated;
                (slowest, largest, native) = (Math.Max(slowest, watch.ElapsedMilliseconds), Math.Max(largest, allocated), Math.Max(native, unmanaged));
                if (watch.Elapsed.TotalSeconds > Seconds)
                    Add($"over {Seconds} s", seed);
                if (allocated > 2 * bytes.Length + Spare)
                    Add("over twice the file + 64 MB", seed);
                if (unmanaged > 2 * bytes.Length + Spare)
                    Add("over twice the file + 64 MB outside of the managed heap", seed);
            }

            Console.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{name}: {count} files from seed {first}, {refused} refused, slowest {slowest} ms, most memory "
                        + $"{largest / 1e6:f1} MB ({native / 1e6:f1} native), {failures.Count} kinds of failure"
                )
            );
            foreach (var (what, seeds) in failures)
                Console.WriteLine($"  {what}: seeds {string.Join(", ", seeds.Take(8))} ({seeds.Count} in all)");
            return failures.Count == 0 ? 0 : (int)ExitCode.CheckFailed;

            void Add(string what, long seed)
            {
                if (!failures.TryGetValue(what, out var seeds))
                    failures[what] = seeds = [];
                seeds.Add(seed);
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
