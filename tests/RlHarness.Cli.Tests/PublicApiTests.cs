using System.Reflection;
using PublicApiGenerator;

namespace RlHarness.Cli.Tests;

/// <summary>
/// The public surface of each room is what a file in tests/PublicApi says. A change is approved by writing the files anew: RLHARNESS_APPROVE=1 dotnet test
/// tests/RlHarness.Cli.Tests -c Release --filter PublicApi.
/// </summary>
[Trait("kind", "contract")]
public class PublicApiTests
{
    public static TheoryData<string> Rooms => ["Core", "Formats", "Statistics", "Experiment", "Models", "Training", "Tracking", "Recipes", "Serving"];

    [Theory]
    [MemberData(nameof(Rooms))]
    public void The_public_surface_is_the_approved_one(string room)
    {
        var surface =
            Assembly
                .Load($"RlHarness.{room}")
                .GeneratePublicApi(new ApiGeneratorOptions { IncludeAssemblyAttributes = false })
                .ReplaceLineEndings("\n")
                .TrimEnd('\n') + "\n";
        var file = Repository.At("tests", "PublicApi", $"RlHarness.{room}.txt");
        if (Environment.GetEnvironmentVariable("RLHARNESS_APPROVE") == "1")
            File.WriteAllText(file, surface);
        var approved = File.ReadAllText(file).ReplaceLineEndings("\n");
        var lines = approved.Split('\n');
        var added = surface.Split('\n').Except(lines).Take(10);
        var gone = lines.Except(surface.Split('\n')).Take(10);
        Assert.True(
            surface == approved,
            $"the public surface of {room} changed\nadded:\n  {string.Join("\n  ", added)}\ngone:\n  {string.Join("\n  ", gone)}\nIf this "
                + "is meant, approve it: RLHARNESS_APPROVE=1"
        );
    }
}
