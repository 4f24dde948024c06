//! The lists of steps of seed 001, written down once by hand: every test that compares a workflow with the seed reads
//! them here, those of the whole program (`tests/main.rs`) too. Nothing here comes from the code that they judge.

/// 滚动部署(不使用负载均衡), 1、部署.
pub(crate) const SEVEN: [&str; 7] = [
    "DownloadBundle",
    "ApplicationStop",
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "ApplicationStart",
    "ValidateService",
];
/// 2、回滚.
pub(crate) const SIX: [&str; 6] = [
    "ApplicationStop",
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "ApplicationStart",
    "ValidateService",
];
/// 滚动部署(使用负载均衡), 1、部署: 取消注册 is BlockTraffic, 部署 is Install, 执行停止脚本 is ApplicationStop, …
pub(crate) const THIRTEEN: [&str; 13] = [
    "DownloadBundle",
    "BeforeBlockTraffic",
    "BlockTraffic",
    "AfterBlockTraffic",
    "ApplicationStop",
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "ApplicationStart",
    "ValidateService",
    "BeforeAllowTraffic",
    "AllowTraffic",
    "AfterAllowTraffic",
];
/// 2、回滚.
pub(crate) const TWELVE: [&str; 12] = [
    "BeforeBlockTraffic",
    "BlockTraffic",
    "AfterBlockTraffic",
    "ApplicationStop",
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "ApplicationStart",
    "ValidateService",
    "BeforeAllowTraffic",
    "AllowTraffic",
    "AfterAllowTraffic",
];
/// 蓝绿部署, 1、部署: its eighth step, after the seven on each gear, and the only one of 2、回滚; it happens once.
pub(crate) const SWITCH: [&str; 1] = ["SwitchTraffic"];
