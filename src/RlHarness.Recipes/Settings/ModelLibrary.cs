using RlHarness.Core.Errors;
using RlHarness.Formats.Tokenizers;

namespace RlHarness.Recipes.Settings;

/// <summary>Finds models by name or path.</summary>
public static class ModelLibrary
{
    public const string Variable = "RLHARNESS_MODELS";

    /// <summary>Finds a model that settings name: the path itself, or one below RLHARNESS_MODELS or ../shared/models.</summary>
    /// <exception cref="HarnessException">It is nowhere; the message lists where it was looked for.</exception>
    public static string Find(string path)
    {
        var roots = new[] { "", Environment.GetEnvironmentVariable(Variable) ?? "", Path.Combine("..", "shared", "models") };
        var places = roots.Select((r, i) => i > 0 && r.Length == 0 ? null : Path.Combine(r, path)).OfType<string>().Distinct().ToArray();
        return places.FirstOrDefault(Path.Exists)
            ?? throw new HarnessException(
                ErrorKind.BadFile,
                $"model {path} is not there",
                $"nothing at {string.Join(", ", places)}",
                "a Hugging Face folder or a GGUF file",
                $"set {Variable} to the folder that holds your models, or model.path to a path"
            );
    }

    /// <summary>What the reward model and RL start from: what imitation made, else what documents did, else the model that settings name.</summary>
    /// <param name="run">The run's folder.</param>
    /// <exception cref="HarnessException">The model that settings name is nowhere.</exception>
    internal static string Start(RunSettings settings, string run) =>
        settings.Stages.Contains(StageNames.Imitate) ? Path.Combine(run, StageNames.Imitate)
        : settings.Stages.Contains(StageNames.Documents) ? Path.Combine(run, StageNames.Documents)
        : Find(settings.Model.Path ?? throw new InvalidOperationException("a new model that no stage tunes was let through"));

    /// <summary>Whether a run's reward model and RL start from files that are not the run's own.</summary>
    internal static bool StartsOutside(RunSettings settings) => !settings.Stages.Any(s => s is StageNames.Imitate or StageNames.Documents);

    /// <summary>Whether the chat template of the run's model, or of a model that judges it, writes the date.</summary>
    internal static bool ReadsClock(RunSettings settings) =>
        settings
            .Evaluate.Detectors.Where(d => d.Kind == "model_judge")
            .Select(d => d.Path)
            .Append(settings.Model.Path)
            .Append(settings.Reward.Path)
            .OfType<string>()
            .Any(path => Tokenizer.TemplateReadsClockAt(Find(path)));

    /// <summary>Something that changes when the model's files do, or the date that its template writes, for cache keys.</summary>
    public static string Identity(RunSettings settings)
    {
        if (settings.Model.Path is null)
            return "new";
        var path = Find(settings.Model.Path);
        var files = File.Exists(path) ? [path] : Directory.GetFiles(path).Order(StringComparer.Ordinal).ToArray();
        return string.Join(";", files.Select(f => $"{Path.GetFileName(f)}:{new FileInfo(f).Length}:{File.GetLastWriteTimeUtc(f).Ticks}"))
            + (Tokenizer.TemplateReadsClockAt(path) ? $";date:{settings.Date}" : "");
    }
}
