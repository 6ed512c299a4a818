using System.CommandLine;
using RlHarness.Cli;
using RlHarness.Models.Native;
using RlHarness.Training.Measuring;

namespace RlHarness.Tools.Commands;

/// <summary>Compares a GPU with the CPU.</summary>
internal static class GpuCheckCommand
{
    internal static Command Create()
    {
        var device = new Option<string>("--device") { Description = "cuda, cuda:n, or cpu for a try without a GPU.", DefaultValueFactory = _ => "cuda" };
        var shapes = new Option<string[]>("--shapes")
        {
            Description = "tiny, 135m, 1b; none to leave out the speeds.",
            DefaultValueFactory = _ => ["135m", "1b"],
            AllowMultipleArgumentsPerToken = true,
        };
        shapes.AcceptOnlyFromAmong("tiny", "135m", "1b", "none");
        var command = new Command("gpu-check", "Hold a GPU to the CPU: logits, one PPO iteration, speeds.") { device, shapes };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                // Before anything computes: a tensor that was left on the other side is named, where libtorch may take it without a word.
                AppContext.SetSwitch(OperandDevices.Switch, true);
                var chosen = Devices.Choose(parsed.GetValue(device)!);
                var wanted = (parsed.GetValue(shapes) ?? [])
                    .Select(s =>
                        s switch
                        {
                            "tiny" => ModelShape.Tiny,
                            "135m" => ModelShape.Small,
                            "1b" => ModelShape.Billion,
                            _ => null,
                        }
                    )
                    .OfType<ModelShape>()
                    .ToArray();
                return new GpuCheck(chosen, Console.Out).Run(wanted) ? 0 : (int)ExitCode.CheckFailed;
            })
        );
        return command;
    }
}
