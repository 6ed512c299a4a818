using System.Globalization;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Settings;
using RlHarness.Recipes.Experiments;
using RlHarness.Recipes.Reporting;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;

namespace RlHarness.Cli.Launch;

/// <summary>What `launch slurm` was asked for.</summary>
internal sealed record LaunchRequest(string Config, IReadOnlyList<string> Overrides, ClusterProfile Profile, IReadOnlyList<int>? Seeds, int? AtOnce);

/// <summary>Writes the scripts and settings of a set of runs below its <c>jobs</c> folder, and submits them.</summary>
internal sealed class SlurmLaunch
{
    /// <summary>Where nothing is known of how long a step and a checkpoint take.</summary>
    internal const int UsualSignalSeconds = 600;

    private const int LeastSignalSeconds = 60;
    private readonly LaunchRequest _request;
    private readonly RunSet _set;
    private readonly ClusterProfile _profile;
    private readonly string _jobs;

    /// <param name="program">The built program, word by word.</param>
    internal SlurmLaunch(LaunchRequest request, RunSet set, IReadOnlyList<string> program)
    {
        (_request, _profile) = (request, request.Profile);
        // A job that pays for a GPU is not to go on without a word on the processor.
        _set = _profile.Gpus == 0 ? set : set with { Runs = [.. set.Runs.Select(r => r.Device == "auto" ? r with { Device = "cuda" } : r)] };
        EnoughPrompts();
        IsArray = set.Command is not null || request.Seeds is not null;
        var folder = Path.GetFullPath(_set.Folder);
        _jobs = IsArray ? Path.Combine(folder, "jobs") : Path.Combine(folder, "jobs", _set.Name);
        var (seconds, source) = SignalTime();
        (SignalSeconds, SignalSource) = (seconds, source);
        var (first, later) = _set.Waves(r => RunStatus.Read(PathOf(r), TimeProvider.System).State == RunState.Finished);
        Finished = _set.Runs.Count - first.Count - later.Count;
        Waves = [.. new[] { (Name: "job", Runs: first), (Name: "later", Runs: later) }.Where(w => w.Runs.Count > 0).Select(w => Of(w.Name, w.Runs, program))];
        if (IsArray && Waves.Count > 0)
            Report = SlurmScript.Report(
                Waves[0].Job,
                _set.Command is { } command
                    ? ["experiment", command, Path.GetFullPath(request.Config), .. request.Overrides, .. Seeds(), "--report"]
                    : ["report", folder]
            );
    }

    internal bool IsArray { get; }

    internal int SignalSeconds { get; }

    /// <summary>Where that number comes from, in words.</summary>
    internal string SignalSource { get; }

    /// <summary>Runs that need no job.</summary>
    internal int Finished { get; }

    /// <summary>One job or array after another.</summary>
    internal IReadOnlyList<Wave> Waves { get; }

    /// <summary>The script of the job that writes the report; null where none does.</summary>
    internal string? Report { get; }

    private string ReportScript => Path.Combine(_jobs, "report.sh");

    /// <param name="Script">Where its script is written.</param>
    internal sealed record Wave(string Script, SlurmJob Job, IReadOnlyList<RunSettings> Runs);

    /// <summary>All scripts, each with its path, as --dry-run shows them.</summary>
    internal IEnumerable<(string Path, string Text)> Scripts =>
        [.. Waves.Select(w => (w.Script, SlurmScript.Text(w.Job))), .. Report is { } report ? [(ReportScript, report)] : Array.Empty<(string, string)>()];

    /// <summary>What is worth a warning before anything is submitted.</summary>
    internal IEnumerable<string> Warnings()
    {
        if (ClusterProfile.Seconds(_profile.Time) is { } limit && SignalSeconds > limit / 2)
            yield return string.Create(
                CultureInfo.InvariantCulture,
                $"SIGUSR1 is sent {SignalSeconds} s before a limit of {limit} s: less than half of each start is computed in (--signal-before, --time)"
            );
        if (_profile.Gpus == 0 && _set.Runs.Any(r => r.Device.StartsWith("cuda", StringComparison.Ordinal)))
            yield return "the settings ask for a GPU, and the job for none (--gpus 1)";
    }

    /// <summary>Writes settings and scripts, and submits them in their order.</summary>
    /// <returns>What was submitted.</returns>
    /// <exception cref="HarnessException">
    /// A run of a name is there with other settings, an earlier job of a run is in the queue, or Slurm did not take one.
    /// </exception>
    internal LaunchRecord Submit(TimeProvider time)
    {
        _set.RequireSame();
        StillQueued();
        foreach (var wave in Waves)
            foreach (var (run, config) in wave.Runs.Zip(wave.Job.Configs))
                AtomicFile.WriteAllText(config, SettingsWriter.ToYaml(run));
        foreach (var (path, text) in Scripts)
            AtomicFile.WriteAllText(path, text.ReplaceLineEndings("\n"));
        var record = new LaunchRecord(time.GetUtcNow(), [], null);
        List<string> numbers = [];
        foreach (var wave in Waves)
        {
            // A run whose leader failed computes what it would have taken from the cache.
            numbers.Add(Slurm.Submit(wave.Script, numbers.Count == 0 ? [] : ["--dependency=afterany:" + numbers[^1]]));
            record = record with { Runs = [.. record.Runs, .. wave.Runs.Select((r, i) => Launched(r, numbers[^1], i))] };
            // After each, so that nothing is in the queue that nobody knows of.
            record.Write(_jobs);
        }

        if (Report is not null)
        {
            record = record with { Report = Slurm.Submit(ReportScript, "--dependency=afterany:" + string.Join(':', numbers)) };
            record.Write(_jobs);
        }

        return record;
    }

    private Wave Of(string name, IReadOnlyList<RunSettings> runs, IReadOnlyList<string> program) =>
        new(
            Path.Combine(_jobs, name + ".sh"),
            new SlurmJob
            {
                Name = _set.Name,
                Profile = _profile,
                WorkingFolder = Directory.GetCurrentDirectory(),
                LogFolder = _jobs,
                Program = _profile.Program.Count > 0 ? _profile.Program : program,
                SignalSeconds = SignalSeconds,
                Configs = [.. runs.Select(r => Path.Combine(_jobs, r.Name + ".yaml"))],
                IsArray = IsArray,
                AtOnce = _request.AtOnce,
            },
            runs
        );

    private LaunchedRun Launched(RunSettings run, string number, int task)
    {
        var index = task.ToString(CultureInfo.InvariantCulture);
        return new(run.Name, PathOf(run), IsArray ? $"{number}_{index}" : number, Path.Combine(_jobs, IsArray ? $"{number}_{index}.log" : number + ".log"));
    }

    private string PathOf(RunSettings run) => Path.Combine(Path.GetFullPath(_set.Folder), run.Name);

    private IEnumerable<string> Seeds() => _request.Seeds is { } seeds ? [$"seeds=[{string.Join(", ", seeds)}]"] : [];

    private (int Seconds, string Source) SignalTime()
    {
        if (_profile.SignalBefore is { } given)
            return (given, "as was asked");
        var output = Path.GetFullPath(_set.Runs[0].Output);
        // Runs of an array are one level deeper than a run that was made alone.
        foreach (var folder in IsArray ? new[] { output, Path.GetDirectoryName(output)! } : [output])
            if (EarlierRuns.StopTime(_set.Runs[0], folder) is { } measured)
                return (
                    Math.Clamp((int)Math.Ceiling(2 * measured.Seconds), LeastSignalSeconds, ushort.MaxValue),
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"twice the {measured.Seconds:0.#} s of a step and a checkpoint in {measured.Run}, at least {LeastSignalSeconds} s"
                    )
                );
        return (UsualSignalSeconds, "the usual, since no run of these settings has measured its steps (--signal-before)");
    }

    /// <summary>Said here, and not by a job that has waited for its nodes.</summary>
    private void EnoughPrompts()
    {
        if (_set.Runs.FirstOrDefault(r => r.Stages.Contains("rl") && r.Rl.PromptsPerStep < _profile.Ranks) is { } run)
            throw new HarnessException(
                ErrorKind.BadInput,
                $"{run.Name}: more ranks than prompts of a step",
                string.Create(CultureInfo.InvariantCulture, $"{_profile.Ranks} ranks, rl.prompts_per_step {run.Rl.PromptsPerStep}"),
                "a prompt or more for each rank",
                "ask for fewer ranks, or raise rl.prompts_per_step"
            );
    }

    /// <summary>Two jobs of one run would wait for each other, and the second would find it in use.</summary>
    private void StillQueued()
    {
        if (LaunchRecord.Read(_jobs) is not { } before || Slurm.Queue() is not { } queue)
            return;
        var wanted = Waves.SelectMany(w => w.Runs).Select(PathOf).ToHashSet(StringComparer.Ordinal);
        if (before.Runs.Where(r => wanted.Contains(r.Folder) && queue.ContainsKey(r.Job)).ToArray() is { Length: > 0 } there)
            throw new HarnessException(
                ErrorKind.RunFolder,
                $"{_jobs}: an earlier job of {(there.Length == 1 ? "this run is" : "these runs is")} in the queue",
                string.Join("; ", there.Take(3).Select(r => $"{r.Name}: job {r.Job}, {queue[r.Job].Words}")),
                "one job for each run",
                $"wait for it, or: scancel {string.Join(' ', there.Select(r => r.Job.Split('_')[0]).Distinct())}"
            );
    }
}
