using System.Reflection;
using RlHarness.Core.Settings;
using RlHarness.Models.Native;
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
    public static string ProgramVersion =>
        typeof(RunManifest).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    public static RunManifest Of(RunSettings settings, string command, string device, TimeProvider time) =>
        new(
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
        );
}
