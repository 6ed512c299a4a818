using System.Globalization;
using System.Reflection;
using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Packs;
using RlHarness.Formats.Files;
using RlHarness.Models.Native;
using RlHarness.Recipes.Detectors;
using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Running;

/// <summary>run.json: what a run is.</summary>
internal sealed record RunManifest(
    string Name,
    string Version,
    string Command,
    string Host,
    string Os,
    string Framework,
    int Cores,
    string Device,
    int Seed,
    string ConfigHash,
    DateTimeOffset Started,
    string? ParentRun
)
{
    /// <summary>What the weights begin as: the path that settings name, or <c>new</c>.</summary>
    public string Model { get; init; } = "";

    /// <summary>SHA-256 of that model's files; null for a new one, which the seed makes.</summary>
    public string? ModelHash { get; init; }

    /// <summary>The pack with its version and the beginning of its content's hash.</summary>
    public string Pack { get; init; } = "";

    /// <summary>Processes that began the run together.</summary>
    public int Ranks { get; init; } = 1;

    /// <summary>Settings that are not the defaults, by key.</summary>
    public IReadOnlyDictionary<string, string> ChangedSettings { get; init; } = new Dictionary<string, string>();

    public static string ProgramVersion =>
        typeof(RunManifest).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    /// <param name="settings">With their date, which counts where a template writes it: else the hash of one run would be another every day.</param>
    public static RunManifest Of(RunSettings settings, string command, string device, TimeProvider time, int ranks = 1)
    {
        if (!ModelLibrary.ReadsClock(settings))
            settings = settings with { Date = null };
        return new(
            settings.Name,
            ProgramVersion,
            command,
            Environment.MachineName,
            System.Runtime.InteropServices.RuntimeInformation.OSDescription,
            System.Runtime.InteropServices.RuntimeInformation.FrameworkDescription + ", libtorch " + LibtorchVersion.BuiltFor,
            Environment.ProcessorCount,
            device,
            settings.Seed,
            SettingsWriter.Hash(settings),
            time.GetUtcNow(),
            null
        )
        {
            Ranks = ranks,
            Model = settings.Model.Path ?? "new",
            ModelHash = settings.Model.Path is { } path ? ModelFiles.Hash(ModelLibrary.Find(path)) : null,
            Pack = PackLibrary.Load(settings.Experiment.Pack) is var pack ? $"{pack.Name} {pack.Version}, content {pack.ContentHash[..12]}" : "",
            ChangedSettings = ChangedKeys.Of(settings, new RunSettings()),
        };
    }

    /// <summary>A run's settings with its date; of a run that was made before settings had one, the date at its start.</summary>
    public static RunSettings Dated(RunSettings settings, string run)
    {
        if (settings.Date is not null)
            return settings;
        var path = Path.Combine(run, "run.json");
        return
            SmallFile.ReadObject(path, "a run.json")["started"] is JsonValue started
            && started.TryGetValue(out string? text)
            && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
            ? settings.Dated(at.ToLocalTime())
            : throw HarnessException.BadFile(path, "no time of the run's start", "started is absent, or no time", "started: an ISO 8601 time");
    }
}
