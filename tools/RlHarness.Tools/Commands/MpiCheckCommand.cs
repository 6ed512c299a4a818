using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using RlHarness.Cli;
using RlHarness.Cli.Terminal;
using RlHarness.Core.Errors;
using RlHarness.Training.Collectives;

namespace RlHarness.Tools.Commands;

/// <summary>The collectives over a real MPI, compared with numbers that are known beforehand. Each rank checks what it received.</summary>
internal static class MpiCheckCommand
{
    internal static Command Create()
    {
        var numbers = new Option<int>("--numbers") { Description = "Floats of the all-reduce that is timed.", DefaultValueFactory = _ => 0 };
        var fail = new Option<string?>("--fail") { Description = "What the last rank does in the end: throw, kill, exit." };
        var command = new Command("mpi-check", "Check the collectives: start it by mpirun or srun.") { numbers, fail };
        command.SetAction(
            (parsed, cancellation) =>
                RankedCommand.GuardAsync(cancellation, ranks =>
                {
                    if (ranks.IsAlone)
                        throw new HarnessException(ErrorKind.BadInput, "one process", "1 rank", "2 or more", "mpirun -np 2 rlharness-tools mpi-check");
                    var checks = new Checks(ranks);
                    checks.All();
                    if (parsed.GetValue(numbers) is var count and > 0)
                        checks.Time(count);
                    if (parsed.GetValue(fail) is { } how)
                        checks.Fail(how);
                    if (ranks.IsFirst)
                        Console.WriteLine($"{checks.Done} checks passed on each of {ranks.Size} ranks: {ranks.Library}");
                    return 0;
                })
        );
        return command;
    }

    private sealed class Checks(Ranks ranks)
    {
        internal int Done { get; private set; }

        internal void All()
        {
            var (rank, size) = (ranks.Rank, ranks.Size);
            var c = ranks.Collectives;
            // Rank r gives r + i; all of them together give size · i + 0 + 1 + … + (size − 1).
            var floats = Enumerable.Range(0, 1000).Select(i => (float)(rank + i)).ToArray();
            c.AllReduce(floats.AsSpan());
            Same("all-reduce of floats", floats, Enumerable.Range(0, 1000).Select(i => (size * i) + (size * (size - 1) / 2f)));
            var doubles = Enumerable.Range(0, 1000).Select(i => rank + (i / 3.0)).ToArray();
            c.AllReduce(doubles.AsSpan());
            var sums = Enumerable.Range(0, 1000).Select(i => (size * (i / 3.0)) + (size * (size - 1) / 2.0));
            Same("all-reduce of doubles", doubles.Select(d => (float)d), sums.Select(d => (float)d));
            // Parts of 1, 2, 3 … numbers.
            int[] counts = [.. Enumerable.Range(1, size)];
            var total = counts.Sum();
            var part = new float[counts[rank]];
            c.ReduceScatter([.. Enumerable.Range(0, total).Select(i => (float)(i * (rank + 1)))], part, counts);
            var before = counts.Take(rank).Sum();
            var factor = size * (size + 1) / 2;
            Same("reduce-scatter", part, Enumerable.Range(before, counts[rank]).Select(i => (float)(i * factor)));
            var whole = new float[total];
            part.CopyTo(whole, before);
            c.AllGather(whole.AsSpan(), counts);
            Same("all-gather of floats", whole, Enumerable.Range(0, total).Select(i => (float)(i * factor)));
            // Rank r gives 1000 r bytes of its number, rank 0 none.
            var bytes = c.AllGather(Enumerable.Repeat((byte)rank, 1000 * rank).ToArray());
            That("all-gather of bytes", bytes.Length == size && bytes.Select((b, r) => b.Length == 1000 * r && b.All(x => x == r)).All(ok => ok));
            That("all-gather of nothing", c.AllGather(ReadOnlySpan<byte>.Empty).All(b => b.Length == 0));
            var sent = Enumerable.Range(0, 100_000).Select(i => (byte)(i * 7)).ToArray();
            That("broadcast", c.Broadcast(rank == 0 ? sent : []).SequenceEqual(sent));
            That("broadcast of nothing", c.Broadcast([]).Length == 0);
            for (var i = 0; i < 100; i++)
                c.Barrier();
            That("barriers", true);
            That("what the first rank says", ranks.FromFirst("a text", () => "said") == "said");
            var error = Error(() => ranks.Gather("work", () => rank == size - 1 ? throw new HarnessException(ErrorKind.Numerics, "broken") : (double[])[1]));
            var named = error is HarnessException e && e.Message.StartsWith($"rank {size - 1} of {size}: broken", StringComparison.Ordinal);
            That("an error of one rank is that of all", named);
            // MPICH's UCX takes the signal that .NET makes its null checks of, unless it is told not to.
            That("a null reference is an exception", Error(() => Null()!.ToString()) is NullReferenceException);
        }

        internal void Time(int count)
        {
            var numbers = new float[count];
            for (var i = 0; i < 4; i++)
            {
                Array.Fill(numbers, 1f);
                var started = Stopwatch.GetTimestamp();
                ranks.Collectives.AllReduce(numbers.AsSpan());
                var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
                That("a large all-reduce", numbers[0] == ranks.Size && numbers[^1] == ranks.Size);
                if (ranks.IsFirst)
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"all-reduce of {count} floats: {seconds:0.000} s"));
            }
        }

        /// <summary>The last rank ends in one way or another; the others wait for it.</summary>
        internal void Fail(string how)
        {
            if (ranks.Rank == ranks.Size - 1)
            {
                if (how == "throw")
                    throw new HarnessException(ErrorKind.Numerics, "this rank was told to fail");
                if (how == "kill")
                    Process.GetCurrentProcess().Kill();
                if (how == "exit")
                    Environment.Exit(7);
            }

            ranks.Barrier("a rank that does not come");
        }

        private void Same(string what, IEnumerable<float> found, IEnumerable<float> expected) =>
            That(what, found.Zip(expected, (a, b) => Math.Abs(a - b) <= 1e-6f * Math.Abs(b)).All(ok => ok));

        private void That(string what, bool holds)
        {
            if (!holds)
                throw new HarnessException(ErrorKind.CheckFailed, $"{ranks.Prefix}{what}: not what it should be");
            Done++;
        }

        private static object? Null() => null;

        private static Exception? Error(Action act)
        {
            try
            {
                act();
                return null;
            }
#pragma warning disable CA1031 // whichever it is, is what is checked
            catch (Exception e)
#pragma warning restore CA1031
            {
                return e;
            }
        }
    }
}
