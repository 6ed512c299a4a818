using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Runs;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Settings;
using RlHarness.Training.Optimization;
using TorchSharp;

namespace RlHarness.Recipes.Running;

/// <summary>
/// When a stage writes checkpoints, and which are kept. Those at steps that the settings name are the run's; others (by minutes, after the first step of a
/// process, at a stop) only save time, and go when a newer one is sealed, so that a run that was stopped ends with the folders of one that was not.
/// </summary>
/// <param name="run">The run.</param>
/// <param name="stage">Its name, for words.</param>
/// <param name="folder">Where <c>step_NNNNNN</c> are written.</param>
/// <param name="write">Fills a folder with the state as it is now; called on the first rank.</param>
/// <param name="optimizers">Whose moments the other ranks share meanwhile, in the order in which they are written.</param>
/// <param name="isPlanned">Whether the settings name a step.</param>
/// <param name="kept">Of the planned steps that are there, oldest first, those that stay.</param>
internal sealed class StageCheckpoints(
    RunContext run,
    string stage,
    string folder,
    Action<string> write,
    IReadOnlyList<AdamW> optimizers,
    Func<int, bool>? isPlanned = null,
    Func<IReadOnlyList<int>, IEnumerable<int>>? kept = null
)
{
    /// <summary>Share of a stage's time that its checkpoints may take before that is said.</summary>
    private const double MostOfTime = 0.02;

    /// <summary>Seconds of a stage before which the share says little: the first checkpoint comes after the first step.</summary>
    private const double LeastSeconds = 600;

    private readonly long _begun = run.Time.GetTimestamp();
    private long _written = run.Time.GetTimestamp();
    private long _stepped = run.Time.GetTimestamp();
    private (double Step, double Write) _longest;
    private int _last = -1;
    private bool _measured;
    private bool _warned;
    private double _spent;
    private bool _warnedOfCost;

    /// <summary>The step whose state is in memory, whole; null while weights are between two steps.</summary>
    internal int? Whole { get; set; }

    /// <summary>The newest checkpoint, verified; null without one.</summary>
    /// <exception cref="HarnessException">It is damaged: names the newest that is whole.</exception>
    internal (int Step, string Path)? Open(int? from = null)
    {
        var found = run.Ranks.FromFirst("the newest checkpoint", () =>
        {
            var newest = CheckpointFolder.Open(folder, from);
            if (from is not null && newest is { } chosen)
                CheckpointFolder.GoBack(folder, chosen.Step);
            return newest;
        });
        if (found is not { } checkpoint)
            return null;
        run.AwaitFolder(checkpoint.Path);
        _last = checkpoint.Step;
        Whole = checkpoint.Step;
        return checkpoint;
    }

    /// <summary>
    /// A step and its rows are done: writes a checkpoint where one is due, and after the first step of this process, which measures the time that it takes.
    /// </summary>
    /// <param name="step">The step.</param>
    /// <param name="isDue">Whether one is due whatever the settings say: the stage ends here.</param>
    internal void Finished(int step, bool isDue = false)
    {
        Whole = step;
        var now = run.Time.GetTimestamp();
        _longest.Step = Math.Max(_longest.Step, run.Time.GetElapsedTime(_stepped, now).TotalSeconds);
        var minutes = run.Settings.CheckpointMinutes;
        if (
            run.Ranks.FromFirst("whether a checkpoint is due", () =>
                isDue || IsPlanned(step) || !_measured || (minutes > 0 && run.Time.GetElapsedTime(_written, now).TotalMinutes >= minutes)
            )
        )
            Write(step);
        _stepped = run.Time.GetTimestamp();
    }

    /// <summary>The run is stopped: saves the last step that was finished, unless it is on disk.</summary>
    internal void Stopped()
    {
        if (Whole is { } step && step > 0 && step != _last)
            Write(step);
    }

    /// <summary>The stage is done, and its output sealed elsewhere.</summary>
    internal static void Clear(string folder)
    {
        if (!Directory.Exists(folder))
            return;
        Directory.Delete(folder, recursive: true);
        var parent = Path.GetDirectoryName(folder)!;
        if (!Directory.EnumerateFileSystemEntries(parent).Any())
            Directory.Delete(parent);
    }

    private bool IsPlanned(int step) => isPlanned?.Invoke(step) ?? false;

    private void Write(int step)
    {
        var started = run.Time.GetTimestamp();
        if (!run.Ranks.IsFirst)
        {
            foreach (var optimizer in optimizers)
                optimizer.Share();
            (_last, _measured) = (step, true);
            return;
        }

        var path = CheckpointFolder.WriteStep(folder, step, there => Kept(there, step), write);
        _written = run.Time.GetTimestamp();
        _last = step;
        var seconds = run.Time.GetElapsedTime(started, _written).TotalSeconds;
        _longest.Write = Math.Max(_longest.Write, seconds);
        run.Log.Information("checkpoint {Path} in {Seconds} s", path, seconds);
        var measured = new StopTime(_longest.Step, _longest.Write);
        run.Store.KeepNote(StopTime.Key + stage, JsonSerializer.Serialize(measured, StopTime.Json));
        if (!_measured)
            run.Progress.Note(measured.Words(stage));
        _measured = true;
        WarnOfCost(seconds);
        if (_warned || run.Attempt?.SignalSeconds is not { } lead || measured.Seconds <= lead)
            return;
        _warned = true;
        run.Progress.Note(measured.TooShort(stage, lead), warning: true);
        run.Log.Warning("{Warning}", measured.TooShort(stage, lead));
    }

    private void WarnOfCost(double seconds)
    {
        _spent += seconds;
        var elapsed = run.Time.GetElapsedTime(_begun, _written).TotalSeconds;
        if (_warnedOfCost || elapsed < LeastSeconds || _spent < MostOfTime * elapsed)
            return;
        _warnedOfCost = true;
        run.Progress.Note(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{stage}: checkpoints have taken {100 * _spent / elapsed:0.#} % of the time so far; a higher "
                    + $"{(kept is null ? "checkpoint_steps" : "rl.checkpoint_every")} or checkpoint_minutes makes them fewer"
            ),
            warning: true
        );
    }

    private IEnumerable<int> Kept(IReadOnlyList<int> there, int step)
    {
        var planned = there.Where(IsPlanned).ToArray();
        // Until a planned one is sealed, the newest of the others is what a resume goes on from.
        return (kept?.Invoke(planned) ?? planned).Concat(there.Where(s => s > step)).Append(step);
    }
}

/// <summary>How long a signal may have to wait: the longest step and the longest checkpoint that a stage has measured.</summary>
internal sealed record StopTime(double StepSeconds, double CheckpointSeconds)
{
    /// <summary>What the notes that keep it begin with; the stage's name follows.</summary>
    internal const string Key = "measured/";

    internal static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>Slurm sends SIGKILL this long after SIGTERM unless its KillWait is set.</summary>
    private const double KillWait = 30;

    internal double Seconds => StepSeconds + CheckpointSeconds;

    /// <param name="lead">Seconds between the job script's SIGUSR1 and the limit.</param>
    internal string TooShort(string stage, double lead) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{stage}: a step and a checkpoint took {Math.Ceiling(Seconds)} s, but the job's script has SIGUSR1 sent {lead:0} s before the time limit: "
                + $"launch it with --signal-before {Math.Ceiling(2 * Seconds)}"
        );

    internal string Words(string stage) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{stage}: a step took {StepSeconds:0.##} s and a checkpoint {CheckpointSeconds:0.##} s, "
                + $"so a signal is obeyed within about {Math.Ceiling(Seconds)} s"
        )
        + (
            Seconds > KillWait
                ? string.Create(
                    CultureInfo.InvariantCulture,
                    $"; longer than the {KillWait} s that a cluster usually waits after SIGTERM: "
                        + $"have SIGUSR1 sent {Math.Ceiling(2 * Seconds)} s before the limit"
                )
                : ""
        );
}

/// <summary>The state of a tuning stage after a step. Random numbers need no state: each is derived from the seed and what it is for.</summary>
/// <param name="Step">Optimizer steps taken.</param>
/// <param name="Tokens">Tokens read.</param>
/// <param name="Smoothed">Loss as the console shows it.</param>
/// <param name="NextEvaluation">Tokens at which the model is evaluated next.</param>
/// <param name="Pending">Figures of the step where its rows are not written yet, since the run was stopped while it evaluated; null otherwise.</param>
internal sealed record TuningState(
    int Step,
    long Tokens = 0,
    double Smoothed = double.NaN,
    long NextEvaluation = 0,
    IReadOnlyDictionary<string, double>? Pending = null
);

/// <summary>
/// Checkpoints of a stage that tunes a model: weights, moments of the optimizer, and <see cref="TuningState"/>; gone when the stage is sealed.
/// </summary>
internal sealed class TuningCheckpoints
{
    private const string Weights = "weights.safetensors";
    private const string Moments = "optimizer.safetensors";
    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    private readonly RunContext _run;
    private readonly string _stage;
    private readonly AdamW _optimizer;
    private readonly Func<IReadOnlyCollection<(string, torch.Tensor)>> _weights;
    private readonly StageCheckpoints _checkpoints;

    /// <param name="run">The run.</param>
    /// <param name="stage">Whose.</param>
    /// <param name="optimizer">Its moments and its number of steps.</param>
    /// <param name="weights">All that the optimizer changes.</param>
    internal TuningCheckpoints(RunContext run, string stage, AdamW optimizer, Func<IReadOnlyCollection<(string, torch.Tensor)>> weights)
    {
        (_run, _stage, _optimizer, _weights) = (run, stage, optimizer, weights);
        _checkpoints = new(
            run,
            stage,
            Folder(run, stage),
            Write,
            [optimizer],
            step => run.Settings.CheckpointSteps is { } every && step % every == 0,
            planned => planned.TakeLast(1)
        );
    }

    /// <summary>What is in memory.</summary>
    internal TuningState State { get; private set; } = new(0);

    /// <summary>Where a stage that is not done keeps its checkpoints.</summary>
    internal static string Folder(RunContext run, string stage) => Path.Combine(run.Folder.Path, "progress", stage);

    /// <summary>Loads the newest checkpoint, and forgets the rows that were written after it; all rows of the stage where there is none.</summary>
    internal void Restore()
    {
        if (_checkpoints.Open() is not { } checkpoint)
        {
            _run.Forget(_stage, -1);
            return;
        }

        NamedTensors.Load(Path.Combine(checkpoint.Path, Weights), _weights());
        _optimizer.Load(moments => NamedTensors.Load(Path.Combine(checkpoint.Path, Moments), moments));
        var file = Path.Combine(checkpoint.Path, "state.json");
        State = TextFile.ReadJson<TuningState>(file, "a checkpoint's numbers", "take the stage's folder below progress/ away: it begins anew", Json);
        if (State.Step != checkpoint.Step)
            throw HarnessException.BadFile(file, "of another step", $"{State.Step}", $"{checkpoint.Step}");
        _optimizer.Steps = State.Step;
        _run.Forget(_stage, State.Pending is null ? State.Step : State.Step - 1);
        _run.Store.AddEvent(_stage, State.Step, "information", $"resumed from {Path.GetFileName(checkpoint.Path)}");
        _run.Progress.Note($"resumed from step {State.Step}");
    }

    /// <summary>Weights are about to change.</summary>
    internal void Begin() => _checkpoints.Whole = null;

    /// <summary>Weights are those of a step whose rows are yet to be written.</summary>
    internal void Trained(TuningState state) => (State, _checkpoints.Whole) = (state, state.Step);

    /// <summary>The rows of the step are written too.</summary>
    internal void Finished(TuningState state, bool last)
    {
        State = state;
        // After the last step the stage itself is written.
        if (!last)
            _checkpoints.Finished(state.Step);
    }

    /// <summary>Runs a stage's loop; where it is stopped, the last step that was finished is saved.</summary>
    internal void Guard(Action loop)
    {
        try
        {
            loop();
        }
        catch (OperationCanceledException)
        {
            _checkpoints.Stopped();
            throw;
        }
    }

    private void Write(string folder)
    {
        NamedTensors.Save(Path.Combine(folder, Weights), _weights());
        _optimizer.Save(Path.Combine(folder, Moments));
        AtomicFile.WriteAllText(Path.Combine(folder, "state.json"), JsonSerializer.Serialize(State, Json) + "\n");
    }
}
