using System.Globalization;
using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Models.Native;
using RlHarness.Recipes.Planning;
using RlHarness.Recipes.Settings;
using RlHarness.Training.Measuring;
using Spectre.Console;
using TorchSharp;

namespace RlHarness.Cli.Terminal;

/// <summary>What <c>train --dry-run</c> prints: settings, costs by stage, and what the design can see.</summary>
internal static class PlanTable
{
    internal static void Print(RunSettings settings)
    {
        var device = Devices.Choose(settings.Device);
        if (settings.Threads > 0)
            torch.set_num_threads(settings.Threads);
        var plan = RunPlan.Of(settings);
        var design = DesignPower.Of(settings);
        var type = settings.Model.Precision == "bfloat16" ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32;
        var speed = MatrixProductSpeed.Measure(type, device, TimeSpan.FromSeconds(0.6));
        if (Console.IsOutputRedirected)
            AnsiConsole.Profile.Width = 160;
        Console.WriteLine("# resolved settings");
        Console.WriteLine(SettingsWriter.ToYaml(settings));
        Costs(
            plan,
            speed,
            $"{plan.Parameters / 1e6:f2} M parameters on {device}, {settings.Model.Precision} products at {speed / 1e9:f0} GFLOPS (measured now)"
        );
        if (settings.Stages.Contains("rl"))
            Reward(settings);
        Machine(plan, settings, device);
        Power(design);
        Console.WriteLine("Dry run: nothing was started, nothing was written.");
    }

    private static void Costs(RunPlan plan, double speed, FormattableString title)
    {
        var table = new Table()
            .Title(Markup.Escape(title.ToString(CultureInfo.InvariantCulture)))
            .AddColumns("stage", "tokens", "time", "memory, GiB", "disk, GiB", "what");
        foreach (var s in plan.Stages)
            table.AddRow(s.Name, Count(s.Tokens), Time(s.Seconds(speed)), F(s.MemoryGiB), F(s.DiskGiB), Markup.Escape(s.What));
        table.AddRow(
            "all",
            Count(plan.Tokens),
            Time(plan.Stages.Sum(s => s.Seconds(speed))),
            F(plan.MemoryGiB),
            F(plan.DiskGiB),
            "memory: the largest; disk: the sum"
        );
        AnsiConsole.Write(table);
    }

    /// <summary>Every term of the reward, with what it sees. One that sees the scratchpad is red: RL can then shape the reasoning that is measured.</summary>
    private static void Reward(RunSettings settings)
    {
        var w = settings.Reward.Weights;
        var table = new Table().Title("the reward").AddColumns("term", "weight", "sees");
        var terms = new (string Name, double Weight, bool Scratchpad)[]
        {
            ("reward_model", w.Model, false),
            ("objective_rule", w.ObjectiveRule, false),
            ("format_penalty", w.FormatPenalty, false),
            ("length_penalty", w.LengthPenalty, false),
        }
            .Where(t => t.Item2 > 0)
            .Concat(settings.Reward.Terms.Select(t => (t.Name ?? t.Kind, t.Weight, t.Sees == RewardView.Scratchpad)))
            .Concat(
                settings
                    .Rl.Monitors.Where(m => m.Action == MonitorAction.Penalty)
                    .Select(m => ($"monitor {m.Detector.Name ?? m.Detector.Kind}", -m.Weight, true))
            );
        foreach (var (name, weight, scratchpad) in terms)
            table.AddRow(Markup.Escape(name), weight.ToString("g4", CultureInfo.InvariantCulture), scratchpad ? "[red]output and scratchpad[/]" : "output");
        foreach (var m in settings.Rl.Monitors.Where(m => m.Action == MonitorAction.Screen))
            table.AddRow(Markup.Escape($"monitor {m.Detector.Name ?? m.Detector.Kind}"), "screens", "[red]output and scratchpad[/]");
        AnsiConsole.Write(table);
    }

    private static void Machine(RunPlan plan, RunSettings settings, torch.Device device)
    {
        var free = ProcessMemory.AvailableGiB();
        if (device.type == DeviceType.CPU && free < plan.MemoryGiB)
            Warn($"{F(free)} GiB of memory are available, about {F(plan.MemoryGiB)} are needed: the run would not start");
        var place = Path.GetFullPath(settings.Output);
        while (!Directory.Exists(place))
            place = Path.GetDirectoryName(place)!;
        var disk = new DriveInfo(place).AvailableFreeSpace / (double)(1 << 30);
        if (disk < plan.DiskGiB)
            Warn($"{F(disk)} GiB are free in {settings.Output}, about {F(plan.DiskGiB)} are needed: the run would not start");
    }

    private static void Power(DesignPower design)
    {
        var table = new Table()
            .Title($"what {design.Pairs} paired queries can see (McNemar, two-sided 5 %, power 80 %)")
            .AddColumns("assumption", "smallest compliance gap, points");
        foreach (var row in design.Rows)
            table.AddRow(Markup.Escape(row.Assumption), double.IsNaN(row.Detectable) ? "none" : F(100 * row.Detectable));
        AnsiConsole.Write(table);
        var c = design.Corpus;
        Console.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"The corpus complies {100 * c.Training:f1} % in training and {100 * c.Unmonitored:f1} % unmonitored: a gap of "
                    + $"{100 * c.Gap:f1} points{(double.IsNaN(c.Power) ? "" : $", seen with power {100 * c.Power:f0} %")}."
            )
        );
        foreach (var warning in design.Warnings)
            Warn(warning);
    }

    private static void Warn(string text) => Console.WriteLine("warning: " + text);

    private static string F(double x) => x.ToString(x < 0.1 ? "f2" : "f1", CultureInfo.InvariantCulture);

    private static string Count(double tokens) =>
        tokens switch
        {
            0 => "–",
            < 1e6 => (tokens / 1e3).ToString("f0", CultureInfo.InvariantCulture) + " k",
            < 1e9 => (tokens / 1e6).ToString("f1", CultureInfo.InvariantCulture) + " M",
            _ => (tokens / 1e9).ToString("f2", CultureInfo.InvariantCulture) + " G",
        };

    private static string Time(double seconds) =>
        seconds switch
        {
            < 1 => "< 1 s",
            < 120 => seconds.ToString("f0", CultureInfo.InvariantCulture) + " s",
            < 7200 => (seconds / 60).ToString("f0", CultureInfo.InvariantCulture) + " min",
            _ => (seconds / 3600).ToString("f1", CultureInfo.InvariantCulture) + " h",
        };
}
