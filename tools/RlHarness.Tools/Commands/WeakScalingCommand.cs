using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using RlHarness.Cli;
using RlHarness.Cli.Terminal;
using RlHarness.Models.Kernels;
using RlHarness.Training.Collectives;
using RlHarness.Training.Measuring;
using static TorchSharp.torch;

namespace RlHarness.Tools.Commands;

/// <summary>
/// Steps whose work grows with the ranks, on one thread each: alone, or started by mpirun. scripts/e2e/weak-scaling compares numbers of ranks with each other.
/// </summary>
internal static class WeakScalingCommand
{
    internal static Command Create()
    {
        var small = new Option<bool>("--tiny") { Description = "A shape of 1 M parameters in place of 135 M: whether it works, not what it gives." };
        var part = new Option<string>("--part") { Description = "imitate, ppo or all.", DefaultValueFactory = _ => "all" };
        part.AcceptOnlyFromAmong("imitate", "ppo", "all");
        var runs = new Option<int>("--runs") { Description = "Steps that are timed, the best of which counts.", DefaultValueFactory = _ => 3 };
        var command = new Command("weak-scaling", "Time steps whose work grows with the ranks, one thread each; mpirun -np 2 … for two.") { small, part, runs };
        command.SetAction((parsed, cancellation) => RankedCommand.GuardAsync(cancellation, ranks =>
                {
                    KernelPolicy.Choose(KernelMode.On);
                    set_num_threads(1);
                    Measure(ranks, parsed.GetValue(small) ? ModelShape.Tiny : ModelShape.Small, parsed.GetValue(part)!, parsed.GetValue(runs));
                    return 0;
                }));
        return command;
    }

    private static void Measure(Ranks ranks, ModelShape shape, string part, int runs)
    {
        const int Sequences = 16,
            Length = 256,
            Prompts = 16,
            Prompt = 64,
            Response = 64,
            MicroBatch = 1536;
        if (!ranks.IsAlone)
            Print(ranks, "sum", new(Sum(ranks, (int)shape.Parameters, runs), 1), 0);
        var speed = new ShapeSpeed(shape, ScalarType.Float32, new Device("cpu"), ranks);
        if (part is "imitate" or "all")
            Print(ranks, "imitate", speed.MeasureRankedUpdate(Sequences, Length, MicroBatch, runs), Sequences * Length);
        if (part is "ppo" or "all")
            Print(ranks, "ppo", speed.MeasureRankedPpo(Prompts, Prompt, Response, MicroBatch, runs), Prompts * (Prompt + Response));
    }

    /// <summary>Seconds of an all-reduce of a gradient by itself, the best of some behind one that opens connections.</summary>
    private static double Sum(Ranks ranks, int count, int runs)
    {
        var numbers = new float[count];
        var best = double.MaxValue;
        for (var i = 0; i <= runs; i++)
        {
            ranks.Barrier("a timed sum");
            var started = Stopwatch.GetTimestamp();
            ranks.Collectives.AllReduce(numbers.AsSpan());
            if (i > 0)
                best = Math.Min(best, Stopwatch.GetElapsedTime(started).TotalSeconds);
        }

        return best;
    }

    /// <summary>A line of words that a script reads: the slowest rank's seconds, tokens of all ranks a second, their mean share of communication.</summary>
    private static void Print(Ranks ranks, string what, ShapeSpeed.RankedStep own, int tokens)
    {
        var all = ranks.Gather("a figure", () => (double[])[own.Seconds, own.CommunicationShare]);
        var seconds = all.Max(a => a[0]);
        if (ranks.IsFirst)
            Console.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{what} ranks={ranks.Size} seconds={seconds:0.0000} tokens_per_second={ranks.Size * tokens / seconds:0.0} "
                        + $"communication_share={all.Average(a => a[1]):0.0000}"
                )
            );
    }
}
