using System.Globalization;
using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Models.Native;
using RlHarness.Recipes.Experiments;
using RlHarness.Recipes.Planning;
using RlHarness.Recipes.Settings;
using RlHarness.Training.Measuring;
using Spectre.Console;
using TorchSharp;

namespace RlHarness.Cli.Terminal;

/// <summary>What <c>--dry-run</c> prints of a run or a design: costs by stage, what the design can see, and the settings for whoever asks for them.</summary>
internal static class PlanTable
{
    internal static void Print(RunSettings settings, bool everySetting)
    {
        var device = Devices.Choose(settings.Device);
        if (settings.Threads > 0)
            torch.set_num_threads(settings.Threads);
        var plan = RunPlan.Of(settings);
        var speed = Speed(settings, device);
        if (Console.IsOutputRedirected)
            AnsiConsole.Profile.Width = 160;
        Costs(
            plan,
            speed,
            $"{plan.Parameters / 1e6:f2} M parameters on {device}, {settings.Model.Precision} products at {speed / 1e9:f0} GFLOPS (measured now)"
        );
        var design = DesignPower.Of(settings);
        Power(design);
        if (settings.Stages.Contains("rl"))
            Reward(settings);
        Machine(plan.MemoryGiB, plan.DiskGiB, settings.Output, device);
        foreach (var warning in design.Warnings)
            Warn(warning);
        Settings(settings, "# resolved settings", everySetting);
    }

    /// <summary>The same for programs: one object.</summary>
    internal static void PrintJson(RunSettings settings, bool everySetting)
    {
        var device = Devices.Choose(settings.Device);
        if (settings.Threads > 0)
            torch.set_num_threads(settings.Threads);
        var (plan, power, speed) = (RunPlan.Of(settings), DesignPower.Of(settings), Speed(settings, device));
        JsonOutput.Print(
            new Dictionary<string, object?>
            {
                ["device"] = device.ToString(),
                ["parameters"] = plan.Parameters,
                ["operations_per_second"] = speed,
                ["stages"] = plan.Stages.Select(s => Row(s.Name, s.Tokens, s.Seconds(speed), s.MemoryGiB, s.DiskGiB)),
                ["all"] = Row("all", plan.Tokens, plan.Stages.Sum(s => s.Seconds(speed)), plan.MemoryGiB, plan.DiskGiB),
                ["queries"] = power.Pairs,
                ["smallest_compliance_gap"] = power.Rows.Select(r => new { r.Assumption, r.Discordance, Gap = r.Detectable }),
                ["warnings"] = power.Warnings.Concat(Lacks(plan.MemoryGiB, plan.DiskGiB, settings.Output, device)),
                ["settings"] = everySetting ? SettingsWriter.ToYaml(settings) : null,
            }
        );

        static Dictionary<string, object> Row(string name, double tokens, double seconds, double memory, double disk) =>
            new()
            {
                ["stage"] = name,
                ["tokens"] = tokens,
                ["seconds"] = seconds,
                ["memory_gib"] = memory,
                ["disk_gib"] = disk,
            };
    }

    /// <param name="parallel">Runs at one time.</param>
    /// <param name="say">What a run of the design differs by.</param>
    internal static void Print(FactorialDesign design, int parallel, Func<FactorialCell, string> say, bool everySetting)
    {
        var first = design.Cells[0].Settings;
        var device = Devices.Choose(first.Device);
        var plan = DesignPlan.Of(design, device.type);
        if (Console.IsOutputRedirected)
            AnsiConsole.Profile.Width = 160;
        var costs = DesignCosts(plan, parallel, device);
        var power = design.Cells.DistinctBy(c => c.Cell).Select(c => (c.Name, Of: DesignPower.Of(c.Settings))).ToArray();
        // The cell in which most is to be seen: in the others a factor is taken away.
        var most = power.MaxBy(p => p.Of.Corpus.Gap);
        Power(most.Of, $" in each of {design.Cells.Count} runs", power.Length > 1 ? $" of {most.Name}" : "");
        Over(design);
        foreach (var cell in design.Cells)
            Console.WriteLine($"{cell.Settings.Name}: {say(cell)}");
        Machine(costs.MemoryGiB, costs.DiskGiB, first.Output, device);
        foreach (var warning in power.SelectMany(p => p.Of.Warnings).Distinct())
            Warn(warning);
        Settings(first, "# resolved settings of the first run", everySetting);
    }

    private static void Settings(RunSettings settings, string title, bool everySetting)
    {
        if (everySetting)
        {
            Console.WriteLine(title);
            Console.WriteLine(SettingsWriter.ToYaml(settings));
        }

        Console.WriteLine($"Dry run: nothing was started, nothing was written.{(everySetting ? "" : " --settings prints every setting.")}");
    }

    private static double Speed(RunSettings settings, torch.Device device) =>
        MatrixProductSpeed.Measure(
            settings.Model.Precision == "bfloat16" ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32,
            device,
            TimeSpan.FromSeconds(0.6)
        );

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

    /// <summary>The sums over all runs that are to be run. Several at once have one thread each, so the speed of one thread counts for each.</summary>
    private static (double MemoryGiB, double DiskGiB) DesignCosts(DesignPlan plan, int parallel, torch.Device device)
    {
        var toRun = plan.ToRun.ToArray();
        var atOnce = Math.Max(1, Math.Min(parallel, toRun.Length));
        // More processes than cores take turns; a device is shared by all of them.
        var side = device.type == DeviceType.CPU ? Math.Min(atOnce, Environment.ProcessorCount) : 1;
        var speeds = new Dictionary<(string, int), double>();
        var before = torch.get_num_threads();
        double SpeedOf(RunSettings s)
        {
            var threads = s.Threads > 0 ? s.Threads : atOnce > 1 ? 1 : before;
            if (speeds.TryGetValue((s.Model.Precision, threads), out var known))
                return known;
            torch.set_num_threads(threads);
            return speeds[(s.Model.Precision, threads)] = Speed(s, device);
        }

        var stages = plan.Stages(SpeedOf);
        var memory = stages.Count == 0 ? 0 : atOnce * stages.Max(s => s.MemoryGiB);
        var disk = stages.Sum(s => s.DiskGiB) + (0.1 * toRun.Length);
        var table = new Table()
            .Title(
                Markup.Escape(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{plan.Runs.Count} runs, {plan.Runs.Count - toRun.Length} finished before, {atOnce} at a time on {device}, each at "
                            + $"{string.Join(", ", speeds.Select(s => $"{s.Value / 1e9:f0} GFLOPS ({s.Key.Item1}, {Threads(s.Key.Item2)})"))}, measured now"
                    )
                )
            )
            .AddColumns("stage", "tokens", "time", "memory, GiB", "disk, GiB", "computed by");
        foreach (var s in stages)
            table.AddRow(
                s.Name,
                Count(s.Tokens),
                Time(s.Seconds / side),
                F(s.MemoryGiB),
                F(s.DiskGiB),
                $"{s.Computed} runs{(s.FromCache > 0 ? $"; {s.FromCache} take it from the cache" : "")}"
            );
        table.AddRow(
            "all",
            Count(stages.Sum(s => s.Tokens)),
            Time(stages.Sum(s => s.Seconds) / side),
            F(memory),
            F(disk),
            atOnce > 1 ? $"memory: {atOnce} of the largest run; time and disk: the sum" : "memory: the largest run; time and disk: the sum"
        );
        AnsiConsole.Write(table);
        return (memory, disk);
    }

    private static string Threads(int threads) => threads == 1 ? "1 thread" : $"{threads} threads";

    /// <summary>What so many seeds can see: the unit of a claim about training.</summary>
    private static void Over(FactorialDesign design)
    {
        var seeds = design.Settings.Seeds.Count;
        var seen = EffectPower.For(new(design.Cells[0].Settings.Evaluate.Queries, Seeds: seeds)).Detectable;
        foreach (var (what, smallest) in seen.Where(s => s.What.Contains("seeds", StringComparison.Ordinal)))
            Console.WriteLine($"{seeds} seeds, {what}: {smallest}");
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

    private static void Machine(double memoryGiB, double diskGiB, string output, torch.Device device)
    {
        foreach (var lack in Lacks(memoryGiB, diskGiB, output, device))
            Warn(lack);
    }

    /// <summary>What this machine lacks now.</summary>
    private static IEnumerable<string> Lacks(double memoryGiB, double diskGiB, string output, torch.Device device)
    {
        var free = ProcessMemory.AvailableGiB();
        if (device.type == DeviceType.CPU && free < memoryGiB)
            yield return $"{F(free)} GiB of memory are available, about {F(memoryGiB)} are needed: the run would not start";
        var place = Path.GetFullPath(output);
        while (!Directory.Exists(place))
            place = Path.GetDirectoryName(place)!;
        var disk = new DriveInfo(place).AvailableFreeSpace / (double)(1 << 30);
        if (disk < diskGiB)
            yield return $"{F(disk)} GiB are free in {output}, about {F(diskGiB)} are needed: the run would not start";
    }

    private static void Power(DesignPower design, string where = "", string of = "")
    {
        var table = new Table()
            .Title($"what {design.Pairs} paired queries can see{where} (McNemar, two-sided 5 %, power 80 %)")
            .AddColumns("assumption", "smallest compliance gap, points");
        foreach (var row in design.Rows)
            table.AddRow(Markup.Escape(row.Assumption), double.IsNaN(row.Detectable) ? "none" : F(100 * row.Detectable));
        AnsiConsole.Write(table);
        var c = design.Corpus;
        Console.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"The corpus{of} complies {100 * c.Training:f1} % in training and {100 * c.Unmonitored:f1} % unmonitored: a gap of "
                    + $"{100 * c.Gap:f1} points{(double.IsNaN(c.Power) ? "" : $", seen with power {100 * c.Power:f0} %")}."
            )
        );
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
