using System.CommandLine;
using System.Globalization;
using RlHarness.Cli;
using RlHarness.Tools.Scaling;

namespace RlHarness.Tools.Commands;

/// <summary>Prints the tables of docs/scaling.md that are computed.</summary>
internal static class ScalingCommand
{
    private static readonly int[] Gpus = [8, 64, 256, 1024];

    internal static Command Create()
    {
        var command = new Command("scaling", "Print what the cost model of docs/scaling.md says of 1 B to 70 B models on 8 to 1,024 GPUs.");
        command.SetAction(_ =>
            CommandLine.Guard(() =>
            {
                Console.Write(string.Join("\n", Tables(Cluster.H100)));
                return 0;
            })
        );
        return command;
    }

    /// <summary>Memory, gradient sums, a step of fixed size, and a step that grows with the GPUs.</summary>
    internal static IEnumerable<string> Tables(Cluster cluster) =>
        [Memory(cluster), Gradients(cluster), Steps(cluster, _ => 1024), Steps(cluster, gpus => 16 * gpus)];

    private static string Memory(Cluster cluster)
    {
        var rows = Shape.All.Select(s =>
        {
            string Bytes(int replicas, bool sharded) => Text($"{CostModel.States(s, new(1, 1, replicas), sharded) / 1e9:f0}");
            string Held(bool sharded) => CostModel.Smallest(s, 1024, cluster, sharded) is { } l ? Text($"{l.ModelGpus}") : "–";
            return Row(s.Name, Bytes(1, false), Bytes(8, true), Bytes(1024, true), Held(false), Held(true));
        });
        return Table("| model | GB of a GPU | sharded over 8 | over 1,024 | GPUs that hold it | sharded over all |", rows);
    }

    private static string Gradients(Cluster cluster)
    {
        var rows = Shape.All.Select(s =>
        {
            string Seconds(int inside, int nodes) => Text($"{1000 * CostModel.AllReduce(4 * s.Parameters, inside, nodes, cluster):f0}");
            return Row(s.Name, Text($"{4 * s.Parameters / 1e9:f1}"), Seconds(8, 1), Seconds(8, 8), Seconds(8, 128), Seconds(1, 128));
        });
        return Table("| model | GB of gradient | 8 GPUs, NVLink, ms | 64, ms | 1,024, ms | 128 nodes of one GPU, ms |", rows);
    }

    private static string Steps(Cluster cluster, Func<int, int> episodes)
    {
        var rows = Shape.All.SelectMany(s =>
            Gpus.Select(gpus =>
            {
                if (CostModel.Smallest(s, gpus, cluster, sharded: true) is not { } layout)
                    return Row(s.Name, Text($"{gpus:n0}"), "does not fit", "", "", "", "", "", "");
                var cost = CostModel.Step(s, new(episodes(gpus)), layout, cluster);
                return Row(
                    s.Name,
                    Text($"{gpus:n0}"),
                    Text($"{layout.Tensor} × {layout.Pipeline} × {layout.Replicas:n0}"),
                    Seconds(cost.Rollout),
                    Seconds(cost.Score),
                    Seconds(cost.Update + cost.Optimizer),
                    Seconds(cost.Gradient + cost.Activations),
                    Seconds(cost.Total),
                    Text($"{100 * cost.CommunicationShare:f0} %")
                );
            })
        );
        return Table("| model | GPUs | tensor × pipeline × data | rollout, s | scores | update | communication | step | share |", rows);
    }

    private static string Seconds(double seconds) => seconds < 10 ? Text($"{seconds:f2}") : Text($"{seconds:f1}");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static string Row(params string[] cells) => $"| {string.Join(" | ", cells)} |";

    private static string Table(string head, IEnumerable<string> rows) =>
        string.Join("\n", [head, string.Concat(Enumerable.Repeat("|---", head.Count(c => c == '|') - 1)) + "|", .. rows]) + "\n";
}
